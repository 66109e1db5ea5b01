"""Celery tasks of webhooks. Each is one call and is safe to run more than once."""

from datetime import timedelta

from celery import shared_task

from kit.work.calendar import scheduled
from webhooks.sending import delivery, retention


@shared_task(name=delivery.work.task)
def deliver() -> None:
    """Send the deliveries that are due."""
    delivery.work()


@scheduled("remove old webhook deliveries", timedelta(hours=1))
@shared_task
def prune() -> None:
    """Remove deliveries past their retention."""
    retention.prune()
