"""Lifecycle hooks of workspaces, called by accounts: export and delete."""

from collections.abc import Iterator

from accounts.lifecycle import Part, Scope, Table
from accounts.models import Workspace
from webhooks.models import DefaultSigner, Endpoint, Event

_BATCH = 500  # events in one transaction, with all their deliveries


def export(scope: Scope) -> Iterator[Part]:
    """Yield a table of the endpoints, for an owner's export."""
    if scope.person:
        return
    rows = Endpoint.objects.for_workspace(scope.workspace).order_by("pk")
    if scope.environment:
        rows = rows.filter(environment=scope.environment)
    yield Table(
        "webhooks.json",
        rows.values(
            "id",
            "url",
            "description",
            "environment",
            "events",
            "is_enabled",
            "created_at",
        ),
    )


def purge(workspace: Workspace) -> None:
    """Delete endpoints, secrets, events and deliveries; safe to interrupt and to repeat."""
    events = Event.objects.filter(workspace=workspace).order_by("pk")
    while ids := list(events.values_list("pk", flat=True)[:_BATCH]):
        Event.objects.filter(pk__in=ids).delete()
    Endpoint.objects.filter(workspace=workspace).delete()
    DefaultSigner.objects.filter(workspace=workspace).delete()
