"""Count what waits for an operator, for monitoring."""

from datetime import timedelta

from django.db.models.functions import Now

from billing.models import InboxEvent, Order, Reconciliation, Refund

_NEWEST = timedelta(hours=26)  # the last nightly run


def counts() -> dict[str, int]:
    """Return how many payments wait for an operator, by what is wrong."""
    newest = Reconciliation.objects.filter(created_at__gte=Now() - _NEWEST)
    last = {
        (row.gateway, row.environment): len(row.differences)
        for row in newest.order_by("created_at")
    }
    return {
        "failed_event": InboxEvent.objects.filter(
            status=InboxEvent.Status.FAILED
        ).count(),
        "order_in_review": Order.objects.exclude(review="").count(),
        "failed_refund": Refund.objects.filter(status=Refund.Status.FAILED).count(),
        "difference": sum(last.values()),
    }
