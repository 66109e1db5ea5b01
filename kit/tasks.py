"""What a bell starts. Each task is one call, and may run any number of times."""

from celery import shared_task

from kit.mail import outbox


@shared_task(name="kit.tasks.send_mails")
def send_mails() -> None:
    """Send the mails that wait."""
    outbox.work()


@shared_task(name="kit.tasks.prune_mails")
def prune_mails() -> None:
    """Forget the mails of long ago."""
    outbox.prune()
