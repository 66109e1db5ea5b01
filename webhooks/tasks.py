"""What a bell or the calendar starts. Each task is one call, and may run twice."""

from datetime import timedelta

from celery import shared_task

from kit.work.calendar import scheduled
from webhooks.sending import delivery, retention


@shared_task(name=delivery.work.task)
def deliver() -> None:
    """Send what waits."""
    delivery.work()


@scheduled("remove old webhook deliveries", timedelta(hours=1))
@shared_task
def prune() -> None:
    """Remove deliveries past their retention."""
    retention.prune()
