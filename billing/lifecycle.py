"""Told by accounts what happens to workspaces."""

from collections.abc import Iterator
from typing import Any

from accounts.caller import Environment
from accounts.lifecycle import Part, Scope, Table
from accounts.models import User, Workspace
from billing import gifts
from billing.models import LedgerEntry, Wallet
from billing.serializers import EntrySerializer
from billing.wallets import wallet_of


def opened(workspace: Workspace, user: User | None = None) -> None:
    """Open the workspace's wallets; with a `user` comes the sign-up grant.

    Needs the transaction in which the workspace is made.
    """
    for environment in Environment:
        wallet = wallet_of(workspace, environment)
        if user is not None:
            gifts.welcome(wallet, user)


def export(scope: Scope) -> Iterator[Part]:
    """Yield the wallet's side of the ledger, for an archive of all that an owner has."""
    if scope.person:
        return
    for environment in Environment:
        if scope.environment in ("", environment):
            wallet = wallet_of(scope.workspace, environment)
            yield Table(f"credits-{environment.lower()}.json", _entries(wallet))


def _entries(wallet: Wallet) -> Iterator[dict[str, Any]]:
    for entry in LedgerEntry.objects.statement(wallet).iterator(chunk_size=1_000):
        yield dict(EntrySerializer(entry).data)
