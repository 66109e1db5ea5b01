"""Celery tasks, started by bells or by the calendar. Each may run more than once."""

from datetime import timedelta

from celery import shared_task

from kit.mail import outbox
from kit.work.calendar import scheduled


@shared_task(name=outbox.work.task)
def send_mails() -> None:
    """Send the queued mails."""
    outbox.work()


@scheduled("remove old mails", timedelta(days=1))
@shared_task
def prune_mails() -> None:
    """Delete old mails."""
    outbox.prune()
