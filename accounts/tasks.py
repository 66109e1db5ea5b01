"""Celery tasks, started by the calendar or by bells. Each may run more than once."""

from datetime import timedelta

from celery import shared_task

from accounts import sessions
from accounts.audit import log
from accounts.login import codes
from accounts.people import closing, exports
from kit.work.calendar import scheduled


@scheduled("remove old logins", timedelta(hours=1))
@shared_task
def prune() -> None:
    """Delete old login codes, logins, archives and audit entries."""
    codes.prune()
    sessions.prune()
    log.prune()
    exports.prune()


@scheduled("remove closed accounts", timedelta(hours=1))
@shared_task
def purge_closed() -> None:
    """Delete the data of accounts and workspaces that were closed 7 days ago."""
    closing.purge()


@shared_task(name=exports.work.task)
def make_exports() -> None:
    """Make the queued archives of personal data."""
    exports.work()
