"""What the calendar starts. Each task may run any number of times."""

from celery import shared_task

from billing import subscriptions


@shared_task(name="billing.tasks.keep_subscriptions")
def keep_subscriptions() -> None:
    """Grant the months that begin, renew and end subscriptions."""
    subscriptions.keep_all()
