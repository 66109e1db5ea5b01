"""What a bell starts. Each task is one call, and may run any number of times."""

from celery import shared_task

from webhooks.sending import delivery, retention


@shared_task(name="webhooks.tasks.deliver")
def deliver() -> None:
    """Send what waits."""
    delivery.work()


@shared_task(name="webhooks.tasks.prune")
def prune() -> None:
    """Remove deliveries past their retention."""
    retention.prune()
