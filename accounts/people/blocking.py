"""Suspending people and workspaces: both doors stay shut from the next request on."""

from typing import TypeAlias

from django.db import transaction

from accounts import lifecycle
from accounts.models import User, Workspace

Suspendable: TypeAlias = User | Workspace


def block(who: Suspendable) -> None:
    """Suspend a person, or everybody who acts in a workspace; their work is canceled."""
    with transaction.atomic():
        _set(who, is_blocked=True)
        suspended = [who] if isinstance(who, Workspace) else who.workspaces.all()
        for workspace in suspended:
            lifecycle.blocked(workspace)


def unblock(who: Suspendable) -> None:
    """Let them in again."""
    _set(who, is_blocked=False)


def _set(who: Suspendable, *, is_blocked: bool) -> None:
    who.is_blocked = is_blocked
    who.save(update_fields=["is_blocked"])
