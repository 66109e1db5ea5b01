"""Hooks that `accounts` calls when a workspace is exported or deleted."""

from collections.abc import Iterator

from accounts.lifecycle import Part, Scope, Table
from accounts.models import Workspace
from providers.keys import using
from providers.models import ProviderKey, Upstream


def export(scope: Scope) -> Iterator[Part]:
    """Yield the list of a workspace's own keys for a data export, without the keys."""
    if scope.person:
        return
    rows = ProviderKey.objects.for_workspace(scope.workspace)
    yield Table(
        "provider_keys.json",
        rows.values("provider", "last4", "region", "status", "created_at"),
    )


def purge(workspace: Workspace) -> None:
    """Delete the workspace's own keys and the statistics of calls with them.

    Safe to repeat.
    """
    ProviderKey.objects.filter(workspace=workspace).delete()
    Upstream.objects.filter(credential=using.credential_of(workspace.pk)).delete()
