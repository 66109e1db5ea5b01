"""Suspending people and workspaces: both doors stay shut from the next request on."""

from typing import TypeAlias

from accounts.models import User, Workspace

Suspendable: TypeAlias = User | Workspace


def block(who: Suspendable) -> None:
    """Suspend a person, or everybody who acts in a workspace."""
    _set(who, is_blocked=True)


def unblock(who: Suspendable) -> None:
    """Let them in again."""
    _set(who, is_blocked=False)


def _set(who: Suspendable, *, is_blocked: bool) -> None:
    who.is_blocked = is_blocked
    who.save(update_fields=["is_blocked"])
