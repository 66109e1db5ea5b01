"""What members of a workspace may do: the table of `docs/roles.md`, as code."""

from enum import StrEnum

from django.db import models

from accounts.errors import NotAllowed


class MemberRole(models.TextChoices):
    """A member's role in a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


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
    MANAGE_TOKENS = "manage_tokens"  # of others: see and revoke them
    MANAGE_WEBHOOKS = "manage_webhooks"  # add, change, test, replay and remove
    SEE_DEFAULT_SECRET = "see_default_secret"  # noqa: S105 - of webhooks, and change it


_OWNER, _ADMIN, _MEMBER = MemberRole

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
    Act.MANAGE_TOKENS: {_OWNER, _ADMIN},
    Act.MANAGE_WEBHOOKS: {_OWNER, _ADMIN},
    Act.SEE_DEFAULT_SECRET: {_OWNER},
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
