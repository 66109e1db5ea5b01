"""What members of a workspace may do: the table of `docs/roles.md`, as code."""

from enum import StrEnum

from accounts.errors import NotAllowed
from accounts.models import Membership


class Act(StrEnum):
    """What takes a right."""

    SEE = "see"  # members, and that there is a workspace
    RENAME = "rename"
    INVITE_MEMBER = "invite_member"  # and withdraw such an invitation
    INVITE_ADMIN = "invite_admin"
    REMOVE_MEMBER = "remove_member"
    REMOVE_ADMIN = "remove_admin"
    CHANGE_ROLE = "change_role"
    HAND_OVER = "hand_over"
    CLOSE = "close"  # the workspace, and open it again
    SEE_MONEY = "see_money"  # what was paid, and what others have used
    MANAGE_KEYS = "manage_keys"  # of providers: save, replace, check and remove


_OWNER, _ADMIN, _MEMBER = Membership.Role

RIGHTS: dict[Act, set[str]] = {
    Act.SEE: {_OWNER, _ADMIN, _MEMBER},
    Act.RENAME: {_OWNER, _ADMIN},
    Act.INVITE_MEMBER: {_OWNER, _ADMIN},
    Act.INVITE_ADMIN: {_OWNER},
    Act.REMOVE_MEMBER: {_OWNER, _ADMIN},
    Act.REMOVE_ADMIN: {_OWNER},
    Act.CHANGE_ROLE: {_OWNER},
    Act.HAND_OVER: {_OWNER},
    Act.CLOSE: {_OWNER},
    Act.SEE_MONEY: {_OWNER, _ADMIN},
    Act.MANAGE_KEYS: {_OWNER, _ADMIN},
}


def may(role: str, act: Act) -> bool:
    """Whether a member with `role` may do this."""
    return role in RIGHTS[act]


def demand(role: str, act: Act) -> None:
    """Let a member with the right pass.

    Raises:
        NotAllowed: `role` doesn't have it.
    """
    if not may(role, act):
        raise NotAllowed
