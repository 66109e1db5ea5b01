"""Delete old events, deliveries and endpoints."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from webhooks.models import Delivery, Endpoint, Event, Turn

KEPT = timedelta(days=30)
_TURNS_KEPT = timedelta(days=1)  # an older turn has no effect
_BATCH = 500  # events in one transaction


def prune(*, batch: int = _BATCH) -> int:
    """Delete events older than 30 days with their deliveries, and deleted endpoints.

    Returns the number of events. Events with a delivery that is queued or being sent are
    kept. Safe to interrupt and to run twice.
    """
    on_its_way = Delivery.objects.unfinished().filter(event=OuterRef("pk"))
    old = Event.objects.filter(
        ~Exists(on_its_way), created_at__lt=timezone.now() - KEPT
    ).order_by("created_at")
    count = 0
    while ids := list(old.values_list("pk", flat=True)[:batch]):
        with transaction.atomic():
            Event.objects.filter(pk__in=ids).delete()
        count += len(ids)
    of_endpoint = Delivery.objects.filter(endpoint=OuterRef("pk"))
    Endpoint.objects.filter(
        ~Exists(of_endpoint), deleted_at__lt=timezone.now() - KEPT
    ).delete()
    Turn.objects.filter(served_at__lt=timezone.now() - _TURNS_KEPT).delete()
    return count
