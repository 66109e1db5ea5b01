"""Roles of members and their permissions: the table of `docs/roles.md` as code."""

from enum import StrEnum

from django.db import models

from accounts.errors import NotAllowed


class MemberRole(models.TextChoices):
    """A member's role in a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class Permission(StrEnum):
    """A permission of members in a workspace."""

    RENAME = "rename"
    INVITE_MEMBER = "invite_member"  # also withdraw such an invitation
    INVITE_ADMIN = "invite_admin"
    REMOVE_MEMBER = "remove_member"
    REMOVE_ADMIN = "remove_admin"
    CHANGE_ROLE = "change_role"
    HAND_OVER = "hand_over"
    CLOSE = "close"  # close and reopen the workspace
    SEE_MONEY = "see_money"  # see payments, and what others have used
    BUY = "buy"  # packs and plans; change or cancel a plan at its store
    TOP_UP = "top_up"  # set up automatic purchases by the saved card
    MANAGE_KEYS = "manage_keys"  # save, replace, check and remove provider keys
    MANAGE_TOKENS = "manage_tokens"  # see and revoke the tokens of others
    MANAGE_WEBHOOKS = "manage_webhooks"  # add, change, test, replay and remove
    SEE_DEFAULT_SECRET = "see_default_secret"  # noqa: S105 - also change it


_OWNER, _ADMIN = MemberRole.OWNER, MemberRole.ADMIN

PERMISSIONS: dict[Permission, set[str]] = {
    Permission.RENAME: {_OWNER, _ADMIN},
    Permission.INVITE_MEMBER: {_OWNER, _ADMIN},
    Permission.INVITE_ADMIN: {_OWNER},
    Permission.REMOVE_MEMBER: {_OWNER, _ADMIN},
    Permission.REMOVE_ADMIN: {_OWNER},
    Permission.CHANGE_ROLE: {_OWNER},
    Permission.HAND_OVER: {_OWNER},
    Permission.CLOSE: {_OWNER},
    Permission.SEE_MONEY: {_OWNER, _ADMIN},
    Permission.BUY: {_OWNER, _ADMIN},
    Permission.TOP_UP: {_OWNER},
    Permission.MANAGE_KEYS: {_OWNER, _ADMIN},
    Permission.MANAGE_TOKENS: {_OWNER, _ADMIN},
    Permission.MANAGE_WEBHOOKS: {_OWNER, _ADMIN},
    Permission.SEE_DEFAULT_SECRET: {_OWNER},
}


def has_permission(role: str, permission: Permission) -> bool:
    """Return whether a member with `role` has the permission."""
    return role in PERMISSIONS[permission]


def require_permission(role: str, permission: Permission) -> None:
    """Raise NotAllowed unless a member with `role` has the permission."""
    if not has_permission(role, permission):
        raise NotAllowed
