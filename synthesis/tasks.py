"""What a bell starts. Each task is one call, and may run any number of times."""

from celery import shared_task

from synthesis.jobs import blocking
from synthesis.outputs import assemblies, retention
from synthesis.samples import making
from synthesis.work import dispatch, worker


@shared_task(name="synthesis.tasks.render")
def render(queue: str) -> None:
    """Speak what waits in `queue`."""
    worker.work(queue)


@shared_task(name="synthesis.tasks.assemble")
def assemble() -> None:
    """Make the zips, joined audio and audiobooks that were asked for."""
    assemblies.work()


@shared_task(name=making.MAKE)
def make_samples(queue: str) -> None:
    """Make the samples of voices that wait in `queue`."""
    making.work(queue)


@shared_task(name="synthesis.tasks.release_forgotten")
def release_forgotten() -> None:
    """Release reservations that nothing will ever capture."""
    dispatch.release_forgotten()


@shared_task(name="synthesis.tasks.purge")
def purge() -> None:
    """Remove files past their retention, and deleted jobs."""
    retention.purge()


@shared_task(name="synthesis.tasks.cancel_shut")
def cancel_shut() -> None:
    """Cancel what suspended ones, and closed workspaces, have under way."""
    blocking.cancel_shut()
