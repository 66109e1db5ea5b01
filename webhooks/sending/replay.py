"""Replay deliveries: the same event with the same `webhook-id`, and a new schedule."""

import uuid
from datetime import datetime

from django.utils import timezone

from kit.db.transactions import needs_transaction
from kit.errors import NotFound
from kit.work import bells
from webhooks.emit import DELIVER, QUEUE
from webhooks.endpoints import lock
from webhooks.errors import DeliveryBusy, EndpointDisabled
from webhooks.models import Delivery
from webhooks.models.querysets import DeliveryQuerySet


@needs_transaction
def replay(delivery_id: uuid.UUID) -> Delivery:
    """Send a delivery again now, even if it has arrived; return it.

    Raises:
        DeliveryBusy: it is being sent now.
        EndpointDisabled: its endpoint is disabled.
        NotFound: the delivery does not exist, or its endpoint was deleted.
    """
    rows = Delivery.objects.select_for_update(of=("self",)).select_related("endpoint")
    delivery = rows.filter(pk=delivery_id).first()
    if delivery is None:
        raise NotFound
    if endpoint := delivery.endpoint:
        # Not locked: the worker checks the endpoint again before it sends.
        if endpoint.deleted_at is not None:
            raise NotFound
        if not endpoint.is_enabled:
            raise EndpointDisabled
    if delivery.status == Delivery.Status.PROCESSING:
        raise DeliveryBusy
    _queue(Delivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()
    return delivery


@needs_transaction
def replay_failed(endpoint_id: uuid.UUID, *, since: datetime) -> int:
    """Send again an endpoint's undelivered events since a time; return how many.

    Raises:
        EndpointDisabled: it is disabled.
        NotFound: it was deleted.
    """
    endpoint = lock(endpoint_id)
    if not endpoint.is_enabled:
        raise EndpointDisabled
    return _queue(Delivery.objects.filter(endpoint=endpoint).undelivered(since))


@needs_transaction
def replay_all_failed(deliveries: DeliveryQuerySet, *, since: datetime) -> int:
    """Send again those of `deliveries` that failed since a time; return how many.

    Deliveries to disabled endpoints are left as they are.
    """
    return _queue(deliveries.undelivered(since).open())


def _queue(deliveries: DeliveryQuerySet) -> int:
    count = deliveries.update(
        status=Delivery.Status.QUEUED,
        ready_at=timezone.now(),
        finished_at=None,
        attempts=0,
        crashes=0,
    )
    bells.ring_on_commit(DELIVER, QUEUE, count)
    return count
