"""Call hooks of all apps when a workspace is opened, blocked, closed, exported or purged.

An app registers a module (`lifecycle`, in `kit.registry`) that defines the hooks it needs,
under the names of the functions below. Hooks run from the lowest app up, so that a wallet
exists before something is spent from it. `purge` runs from the top down, so that a canceled
job can still release its credits and send its webhooks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from accounts.models import User, Workspace
from kit.db.transactions import needs_transaction
from kit.registry import registered


@dataclass(frozen=True, slots=True)
class Scope:
    """Which data of a workspace is exported."""

    workspace: Workspace
    person: User | None = None  # only what this user made; None: everything
    environment: str = ""  # empty: both


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for an archive, written as a JSON array."""

    name: str  # of the file in the archive, with folders
    rows: Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file for an archive; left out if it was deleted meanwhile."""

    name: str  # of the file in the archive, with folders
    stored: str  # name in the storage


Part: TypeAlias = Table | StoredFile


@needs_transaction
def opened(workspace: Workspace, user: User | None = None) -> None:
    """Call the hooks of a new workspace: its wallets are made, and the sign-up grant.

    `user` gets the grant; None for a workspace without one.
    """
    for hook in _hooks("opened"):
        hook(workspace, user)


@needs_transaction
def blocked(workspace: Workspace) -> None:
    """Call the hooks of a workspace that is blocked, or has a blocked member.

    They cancel its work.
    """
    for hook in _hooks("blocked"):
        hook(workspace)


@needs_transaction
def closed(workspace: Workspace) -> None:
    """Call the hooks of a closed workspace: its work is canceled, and no new work starts.

    Nothing is deleted yet: it can be reopened within 7 days.
    """
    for hook in _hooks("closed"):
        hook(workspace)


def export(scope: Scope) -> Iterator[Part]:
    """Yield the exported data of a workspace from all apps, without secrets and hashes.

    No transaction is open.
    """
    for hook in _hooks("export"):
        yield from hook(scope)


def purge(workspace: Workspace) -> None:
    """Delete all data of a workspace except its ledger.

    No transaction is open, and it may take long. Hooks may be interrupted anywhere; all of
    them are called again until all have finished.
    """
    for hook in reversed(_hooks("purge")):
        hook(workspace)


def _hooks(name: str) -> list[Callable[..., Any]]:
    """Return the hooks called `name`, from the lowest app up."""
    modules = registered("lifecycle").values()
    return [getattr(module, name) for module in modules if hasattr(module, name)]
