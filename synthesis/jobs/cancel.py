"""Cancel, delete, pause and resume jobs."""

import uuid

from django.utils import timezone

from billing.models import Reservation
from kit import idempotency
from kit.db.transactions import needs_transaction
from kit.errors import NotFound
from synthesis import events
from synthesis.errors import JobFinished, JobNotCancelable
from synthesis.jobs.submit import renew_retention
from synthesis.models import Job, Scene
from synthesis.models.querysets import SceneQuerySet
from synthesis.work import bells, settlement, takes

CANCELED = "canceled"
"""The `reason` of a job whose change was canceled: it has ended as it was before."""


@needs_transaction
def cancel(job_id: uuid.UUID, *, reason: str = "") -> Job:
    """Cancel a job: completed scenes stay charged, and other credits are released.

    A worker that is speaking one of its scenes loses its lease and discards the result. A
    scene that was spoken again stays what it was; a job with no other scenes left to speak
    has ended as it was before, and `reason` says so.

    Raises:
        JobNotCancelable: the job has ended already.
        NotFound: the job was deleted.
    """
    job = lock(job_id)
    if job.is_finished:
        raise JobNotCancelable(status=job.status)
    now = timezone.now()
    # Everything that locks several scenes locks them in this order, to avoid deadlocks.
    ids = list(
        _unfinished(job).order_by("pk").select_for_update().values_list("pk", flat=True)
    )
    spoken_again = Scene.objects.filter(pk__in=ids).exclude(take=None)
    for scene in spoken_again.select_related("take"):
        takes.restore(job, scene)
        scene.save()
    canceled = Scene.objects.unfinished().filter(pk__in=ids)
    count = canceled.update(
        status=Scene.Status.CANCELED, lease_until=None, finished_at=now
    )
    settlement.release(job, Reservation.objects.filter(job=str(job.pk)))
    settlement.finish(job)
    if count:
        job.status = Job.Status.CANCELED
    job.reason = reason if count else reason or CANCELED
    job.save()
    events.emit_job_ended(job)
    idempotency.forget(str(job.pk))
    return job


@needs_transaction
def delete(job_id: uuid.UUID) -> None:
    """Hide a job, after canceling it if it still runs. A later purge deletes its files.

    Safe to repeat.
    """
    try:
        job = lock(job_id)
    except NotFound:
        return
    if not job.is_finished:
        job = cancel(job_id)
    job.is_deleted = True
    job.deleted_at = timezone.now()
    job.save(update_fields=["is_deleted", "deleted_at"])


@needs_transaction
def pause(job_id: uuid.UUID) -> Job:
    """Pause a job: its queued scenes are not claimed until it is resumed.

    The call that a scene makes now ends. A remote scene is finished, unless it has to be
    tried again.

    Raises:
        JobFinished: the job has ended already.
    """
    job = _set_paused(job_id, is_paused=True)
    _unfinished(job).update(is_held=True)
    return job


@needs_transaction
def resume(job_id: uuid.UUID) -> Job:
    """Resume a paused job: its queued scenes can be claimed again.

    Raises:
        JobFinished: the job has ended already.
    """
    job = _set_paused(job_id, is_paused=False)
    renew_retention(job)  # it may have been paused for longer than its files are kept
    job.save(update_fields=["expires_at"])
    _unfinished(job).update(is_held=False)
    queues = _unfinished(job).order_by().values_list("queue", flat=True).distinct()
    for queue in queues:
        bells.ring_on_commit(queue, _unfinished(job).filter(queue=queue).count())
    return job


@needs_transaction
def lock(job_id: uuid.UUID) -> Job:
    """Return a job with its row locked until the transaction ends.

    Everything that changes a job for a request starts here, so a job that was deleted
    since the request found it is not changed.

    Raises:
        NotFound: there is no such job, or it was deleted.
    """
    jobs = Job.objects.select_for_update(of=("self",))
    job = jobs.filter(pk=job_id, is_deleted=False).first()
    if job is None:
        raise NotFound
    return job


def _unfinished(job: Job) -> SceneQuerySet:
    return Scene.objects.unfinished().filter(job=job)


def _set_paused(job_id: uuid.UUID, *, is_paused: bool) -> Job:
    job = lock(job_id)
    if job.is_finished:
        raise JobFinished(status=job.status)
    job.is_paused = is_paused
    job.save(update_fields=["is_paused"])
    return job
