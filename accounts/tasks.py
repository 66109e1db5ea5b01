"""What the calendar and bells start. Each task may run any number of times."""

from celery import shared_task

from accounts import sessions
from accounts.audit import log
from accounts.login import codes
from accounts.people import closing, exports


@shared_task(name="accounts.tasks.prune")
def prune() -> None:
    """Remove login codes, logins, archives and audit entries of long ago."""
    codes.prune()
    sessions.prune()
    log.prune()
    exports.prune()


@shared_task(name="accounts.tasks.purge_closed")
def purge_closed() -> None:
    """Remove what belonged to accounts and workspaces that were closed long enough ago."""
    closing.purge()


@shared_task(name="accounts.tasks.make_exports")
def make_exports() -> None:
    """Make the archives of people's data that wait."""
    exports.work()
