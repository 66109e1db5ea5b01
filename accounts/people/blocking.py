"""Block and unblock users and workspaces, from the next request on."""

from typing import TypeAlias

from django.db import transaction

from accounts import lifecycle
from accounts.models import User, Workspace

Blockable: TypeAlias = User | Workspace


def block(row: Blockable) -> None:
    """Block a user or a workspace, and cancel its work, or the work of the user."""
    with transaction.atomic():
        _set(row, is_blocked=True)
        affected = [row] if isinstance(row, Workspace) else row.workspaces.all()
        for workspace in affected:
            lifecycle.blocked(workspace)


def unblock(row: Blockable) -> None:
    """Allow requests of a user, or to a workspace, again."""
    _set(row, is_blocked=False)


def _set(row: Blockable, *, is_blocked: bool) -> None:
    row.is_blocked = is_blocked
    row.save(update_fields=["is_blocked"])
