"""How much a workspace stores, and how much it may: by its plan, else by settings."""

from dataclasses import dataclass

from django.conf import settings

from accounts.caller import Caller, Role
from accounts.errors import StorageLimit
from accounts.models import StorageUsage, Workspace

MB = 1_000_000
"""Bytes in a megabyte, as plans and settings count them."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What a workspace stores and may store, in bytes."""

    used: int
    limit: int


def storage_of(workspace: Workspace) -> Storage:
    """Return what `workspace` stores and may store. Reads `workspace.storage` once."""
    row: StorageUsage | None = getattr(workspace, "storage", None)  # no files: no row
    most = workspace.storage_mb
    limit = settings.STORAGE_MB if most is None else most
    return Storage(row.stored_bytes if row else 0, limit * MB)


def require_room(caller: Caller) -> None:
    """Raise unless the caller's workspace has room for more files.

    Guests and operators have no limit: what guests make is removed after a day.

    Raises:
        StorageLimit: the files of the workspace have reached its limit.
    """
    if caller.role in (Role.GUEST, Role.ADMIN):
        return
    storage = storage_of(caller.workspace)
    if storage.used >= storage.limit:
        raise StorageLimit(used=storage.used // MB, limit=storage.limit // MB)
