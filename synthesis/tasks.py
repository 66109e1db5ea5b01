"""What a bell or the calendar starts. Each task is one call, and may run twice."""

from datetime import timedelta

from celery import shared_task

from kit.work.calendar import scheduled
from synthesis.jobs import blocking
from synthesis.outputs import assemblies, retention
from synthesis.samples import making
from synthesis.work import bells, dispatch, worker


@shared_task(name=bells.RENDER)
def render(queue: str) -> None:
    """Speak what waits in `queue`."""
    worker.work(queue)


@shared_task(name=assemblies.work.task)
def assemble() -> None:
    """Make the zips, joined audio and audiobooks that were asked for."""
    assemblies.work()


@shared_task(name=making.MAKE)
def make_samples(queue: str) -> None:
    """Make the samples of voices that wait in `queue`."""
    making.work(queue)


@scheduled("release forgotten reservations", timedelta(minutes=10))
@shared_task
def release_forgotten() -> None:
    """Release reservations that nothing will ever capture."""
    dispatch.release_forgotten()


@scheduled("remove what is past its time", timedelta(hours=1))
@shared_task
def purge() -> None:
    """Remove files past their retention, and deleted jobs."""
    retention.purge()


@scheduled("cancel the work of blocked people", timedelta(minutes=1))
@shared_task(name=blocking.CANCEL)
def cancel_suspended() -> None:
    """Cancel what suspended ones, and closed workspaces, have under way."""
    blocking.cancel_suspended()
