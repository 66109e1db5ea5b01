"""Roles of members and their permissions: the table of `docs/roles.md`, as code."""

from enum import StrEnum

from django.db import models

from accounts.errors import NotAllowed


class MemberRole(models.TextChoices):
    """A member's role in a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class Permission(StrEnum):
    """What a member needs a permission for."""

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
    Permission.MANAGE_KEYS: {_OWNER, _ADMIN},
    Permission.MANAGE_TOKENS: {_OWNER, _ADMIN},
    Permission.MANAGE_WEBHOOKS: {_OWNER, _ADMIN},
    Permission.SEE_DEFAULT_SECRET: {_OWNER},
}


def has_permission(role: str, permission: Permission) -> bool:
    """Return whether a member with `role` has the permission."""
    return role in PERMISSIONS[permission]


def require_permission(role: str, permission: Permission) -> None:
    """Refuse a member whose role lacks the permission.

    Raises:
        NotAllowed: `role` doesn't have it.
    """
    if not has_permission(role, permission):
        raise NotAllowed
