"""What the calendar starts. Each task may run any number of times."""

from celery import shared_task

from accounts import audit, challenges, logins


@shared_task(name="accounts.tasks.prune")
def prune() -> None:
    """Remove login codes, logins and audit entries of long ago."""
    challenges.prune()
    logins.prune()
    audit.prune()
