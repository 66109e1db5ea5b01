"""What the calendar and bells start. Each task may run any number of times."""

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
    """Remove login codes, logins, archives and audit entries of long ago."""
    codes.prune()
    sessions.prune()
    log.prune()
    exports.prune()


@scheduled("remove closed accounts", timedelta(hours=1))
@shared_task
def purge_closed() -> None:
    """Remove what belonged to accounts and workspaces that were closed long enough ago."""
    closing.purge()


@shared_task(name=exports.work.task)
def make_exports() -> None:
    """Make the archives of people's data that wait."""
    exports.work()
