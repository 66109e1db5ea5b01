"""Endpoints, events and deliveries for tests."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts.models import Workspace
from tests import factories
from webhooks import endpoints
from webhooks.emit import send_to
from webhooks.events import TEST
from webhooks.models import Delivery, Endpoint
from webhooks.sending.signing import secret_of

URL = "https://hooks.example.com/ozvena"


def workspace() -> Workspace:
    """Return the workspace of a new user."""
    return factories.workspace(factories.user())


def endpoint(of: Workspace | None = None, **fields: Any) -> Endpoint:
    """Return an endpoint for test events."""
    values = {"url": URL, "events": [TEST.name]} | fields
    with transaction.atomic():
        return endpoints.create(of or workspace(), **values)[0]


def secret(of: Endpoint) -> str:
    """Return an endpoint's secret."""
    return secret_of(of).reveal_text()


def delivery(to: Endpoint | None = None, **data: Any) -> Delivery:
    """Return a queued delivery."""
    to = to or endpoint()
    with transaction.atomic():
        event = send_to(to.workspace_id, TEST, data, [to])
    return event.deliveries.get()


def url_delivery(of: Workspace, url: str, **data: Any) -> Delivery:
    """Return a delivery to a job's own address."""
    with transaction.atomic():
        event = send_to(of.pk, TEST, data, [], url=url)
    return event.deliveries.get()


def pass_time(span: timedelta) -> None:
    """Move all times into the past, as if time had passed."""
    Delivery.objects.update(ready_at=F("ready_at") - span)
    Endpoint.objects.update(
        failing_since=F("failing_since") - span,
        rests_until=F("rests_until") - span,
        old_secret_until=F("old_secret_until") - span,
    )
