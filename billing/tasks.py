"""What the calendar starts. Each task may run any number of times."""

from celery import shared_task

from billing import spending, subscriptions


@shared_task(name="billing.tasks.keep_subscriptions")
def keep_subscriptions() -> None:
    """Grant the months that begin, renew and end subscriptions."""
    subscriptions.keep_all()


@shared_task(name="billing.tasks.prune_spending")
def prune_spending() -> None:
    """Remove what limited tokens spent in months of long ago."""
    spending.prune()
