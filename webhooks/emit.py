"""Emit events: write an event and its deliveries in the transaction of the fact."""

import datetime
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder

from kit.db.transactions import needs_transaction
from kit.work import bells
from webhooks.events import EventType
from webhooks.models import Delivery, Endpoint, Event, lane_of_url

QUEUE = "webhooks"
DELIVER = "webhooks.tasks.deliver"


@needs_transaction
def emit(
    workspace_id: uuid.UUID,
    event_type: EventType,
    build: Callable[[], Mapping[str, Any]],
    *,
    url: str = "",
) -> Event | None:
    """Emit an event to the endpoints that subscribe to its type, and to `url`; return it.

    The caller's transaction also writes the fact, so neither exists without the other.
    `build` returns the event's `data`. It is called only if there is a subscriber, and all
    get the same bytes under the same id. Without subscribers it costs one query and returns
    None. A disabled endpoint gets a delivery too, as `canceled`: it can be replayed when
    the endpoint is enabled again.

    `data["environment"]` is the environment of the event. An endpoint that is bound to an
    environment gets no events of the other.
    """
    subscribed = list(
        Endpoint.objects.subscribed(workspace_id, event_type.name).only(
            "pk", "is_enabled", "environment"
        )
    )
    if not subscribed and not url:
        return None
    data = build()
    endpoints = [
        row for row in subscribed if row.environment in ("", data.get("environment"))
    ]
    if not endpoints and not url:
        return None
    return send_to(workspace_id, event_type, data, endpoints, url=url)


@needs_transaction
def send_to(
    workspace_id: uuid.UUID,
    event_type: EventType,
    data: Mapping[str, Any],
    endpoints: list[Endpoint],
    *,
    url: str = "",
) -> Event:
    """Write an event with a delivery for each of `endpoints` and for `url`; return it."""
    now = timezone.now()
    event = Event.objects.create(
        workspace_id=workspace_id,
        type=event_type.name,
        environment=data.get("environment") or "",
        body=encode(event_type.name, now, data),
        created_at=now,
    )
    deliveries = [
        Delivery(
            workspace_id=workspace_id,
            event=event,
            endpoint=endpoint,
            lane=endpoint.lane,
            status=(
                Delivery.Status.QUEUED
                if endpoint.is_enabled
                else Delivery.Status.CANCELED
            ),
            ready_at=now,
            created_at=now,
            finished_at=None if endpoint.is_enabled else now,
        )
        for endpoint in endpoints
    ]
    if url:
        deliveries.append(
            Delivery(
                workspace_id=workspace_id,
                event=event,
                url=url,
                lane=lane_of_url(workspace_id, url),
                ready_at=now,
                created_at=now,
            )
        )
    Delivery.objects.bulk_create(deliveries)
    bells.ring_on_commit(DELIVER, QUEUE, len(deliveries))
    return event


def encode(name: str, at: datetime.datetime, data: Mapping[str, Any]) -> bytes:
    """Return an event's body: compact JSON in UTF-8."""
    stamp = at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"type": name, "timestamp": stamp.replace("+00:00", "Z"), "data": data},
        cls=JSONEncoder,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    ).encode()
