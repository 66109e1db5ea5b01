"""What a bell or the calendar starts. Each task is one call, and may run twice."""

from datetime import timedelta

from celery import shared_task

from kit.mail import outbox
from kit.work.calendar import scheduled


@shared_task(name=outbox.work.task)
def send_mails() -> None:
    """Send the mails that wait."""
    outbox.work()


@scheduled("remove old mails", timedelta(days=1))
@shared_task
def prune_mails() -> None:
    """Forget the mails of long ago."""
    outbox.prune()
