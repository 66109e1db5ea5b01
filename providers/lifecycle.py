"""Told by accounts what happens to workspaces."""

from collections.abc import Iterator

from accounts.lifecycle import Part, Scope, Table
from accounts.models import Workspace
from providers.keys import using
from providers.models import ProviderKey, Upstream


def export(scope: Scope) -> Iterator[Part]:
    """Yield which keys there are, for an archive of all that an owner has."""
    if scope.person:
        return
    rows = ProviderKey.objects.for_workspace(scope.workspace)
    yield Table(
        "provider_keys.json",
        rows.values("provider", "last4", "region", "status", "created_at"),
    )


def purge(workspace: Workspace) -> None:
    """Erase the workspace's keys, and how calls with them went; safe to repeat."""
    ProviderKey.objects.filter(workspace=workspace).delete()
    Upstream.objects.filter(credential=using.credential_of(workspace.pk)).delete()
