"""Celery tasks, started by a bell or by the calendar.

Each task is one call of a rule, and is safe to run twice.
"""

from datetime import timedelta

from celery import shared_task
from celery.schedules import crontab

from kit.work.calendar import scheduled
from synthesis.jobs import blocking
from synthesis.outputs import assemblies, retention, storage
from synthesis.samples import making
from synthesis.work import bells, dispatch, worker


@shared_task(name=bells.RENDER)
def render(queue: str) -> None:
    """Speak the scenes that wait in `queue`."""
    worker.work(queue)


@shared_task(name=assemblies.work.task)
def assemble() -> None:
    """Make the zips, joined audio files and audiobooks that were requested."""
    assemblies.work()


@shared_task(name=making.MAKE)
def make_samples(queue: str) -> None:
    """Make the samples of voices that wait in `queue`."""
    making.work(queue)


@scheduled("release forgotten reservations", timedelta(minutes=10))
@shared_task
def release_forgotten() -> None:
    """Release reservations that will never be captured."""
    dispatch.release_forgotten()


@scheduled("remove what is past its time", timedelta(minutes=1))
@shared_task
def purge() -> None:
    """Delete files past their retention, and jobs that users deleted."""
    retention.purge()


@scheduled("count what is stored", crontab(hour="3", minute="40"))
@shared_task
def recount_storage() -> None:
    """Correct the sums of what workspaces store."""
    storage.recount()


@scheduled("cancel the work of blocked people", timedelta(minutes=1))
@shared_task(name=blocking.CANCEL)
def cancel_suspended() -> None:
    """Cancel the unfinished jobs of blocked users and of blocked or closed workspaces."""
    blocking.cancel_suspended()
