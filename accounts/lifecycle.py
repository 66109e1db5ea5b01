"""Telling the apps above about what happens to a workspace.

Each app registers a module (`lifecycle`, in `kit.registry`) with those of the functions
below that concern it, under the same names. Those of an app are called after those of the
apps that it builds on, so that wallets are open before anything is spent from them; what is
removed goes in the opposite order, so that a canceled job can still give back its credits
and tell its webhooks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from accounts.models import User, Workspace
from kit.db.transactions import needs_transaction
from kit.registry import registered


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a workspace goes into an archive of somebody's data."""

    workspace: Workspace
    person: User | None = None  # what this person made; None: everything
    environment: str = ""  # empty: both


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of an archive, written as a JSON array."""

    name: str  # of the file, with folders
    rows: Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an archive that lies in the storage; left out if it does no longer."""

    name: str  # of the file, with folders
    stored: str  # in the storage


Part: TypeAlias = Table | StoredFile


@needs_transaction
def opened(workspace: Workspace, user: User | None = None) -> None:
    """Tell of a new workspace: wallets are made, and `user` is given the sign-up grant.

    `user` is None for a workspace with which no grant comes.
    """
    for hook in _hooks("opened"):
        hook(workspace, user)


@needs_transaction
def blocked(workspace: Workspace) -> None:
    """Tell that a workspace, or one of its members, was suspended: work is canceled."""
    for hook in _hooks("blocked"):
        hook(workspace)


@needs_transaction
def closed(workspace: Workspace) -> None:
    """Tell that a workspace was closed: work is canceled, nothing new is begun.

    Nothing is removed: for 7 days it may be opened again.
    """
    for hook in _hooks("closed"):
        hook(workspace)


def export(scope: Scope) -> Iterator[Part]:
    """Yield what a workspace holds, for an archive of somebody's data.

    No secrets and no hashes. No transaction is open.
    """
    for hook in _hooks("export"):
        yield from hook(scope)


def purge(workspace: Workspace) -> None:
    """Have all of a workspace removed but its ledger.

    No transaction is open, and it may take long. A hook may be interrupted anywhere, and
    runs again until all of them came to their ends.
    """
    for hook in reversed(_hooks("purge")):
        hook(workspace)


def _hooks(name: str) -> list[Callable[..., Any]]:
    """Return the functions `name` of the modules that have one, from the lowest app up."""
    modules = registered("lifecycle").values()
    return [getattr(module, name) for module in modules if hasattr(module, name)]
