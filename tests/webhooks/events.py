"""Insert many events at once, without emitting each."""

from datetime import timedelta

from django.utils import timezone

from webhooks.emit import encode
from webhooks.events import TEST
from webhooks.models import Delivery, Endpoint, Event


def many(to: Endpoint, count: int) -> None:
    """Give an endpoint many deliveries that have waited for a while."""
    body = encode(TEST.name, timezone.now(), {})
    events = Event.objects.bulk_create(
        Event(workspace_id=to.workspace_id, type=TEST.name, body=body)
        for _ in range(count)
    )
    Delivery.objects.bulk_create(
        Delivery(
            workspace_id=to.workspace_id,
            event=event,
            endpoint=to,
            lane=to.lane,
            ready_at=timezone.now() - timedelta(minutes=1),
        )
        for event in events
    )
