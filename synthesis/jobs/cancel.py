"""Cancel, delete, pause and resume jobs."""

import uuid

from django.utils import timezone

from billing.models import Reservation
from kit import idempotency
from kit.db.transactions import needs_transaction
from synthesis import events
from synthesis.errors import JobFinished, JobNotCancelable
from synthesis.jobs.submit import renew_retention
from synthesis.models import Job, Scene
from synthesis.models.querysets import SceneQuerySet
from synthesis.work import bells, settlement


@needs_transaction
def cancel(job_id: uuid.UUID, *, reason: str = "") -> Job:
    """Cancel a job: completed scenes stay charged, and other credits are released.

    A worker that is speaking one of its scenes loses its lease and discards the result.

    Raises:
        JobNotCancelable: the job has ended already.
    """
    job = lock(job_id)
    if job.is_finished:
        raise JobNotCancelable(status=job.status)
    now = timezone.now()
    # Everything that locks several scenes locks them in this order, to avoid deadlocks.
    ids = list(
        _unfinished(job).order_by("pk").select_for_update().values_list("pk", flat=True)
    )
    Scene.objects.filter(pk__in=ids).update(
        status=Scene.Status.CANCELED, lease_until=None, finished_at=now
    )
    settlement.release(job, Reservation.objects.filter(job=str(job.pk)))
    settlement.set_billed_to(job)
    job.status = Job.Status.CANCELED
    job.reason = reason
    job.is_paused = False
    job.finished_at = now
    job.save()
    events.emit_job_ended(job)
    idempotency.forget(str(job.pk))
    return job


@needs_transaction
def delete(job_id: uuid.UUID) -> None:
    """Hide a job, after canceling it if it still runs. A later purge deletes its files.

    Safe to repeat.
    """
    job = lock(job_id)
    if not job.is_finished:
        job = cancel(job_id)
    if not job.is_deleted:
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
    """Return a job with its row locked until the transaction ends."""
    return Job.objects.select_for_update(of=("self",)).get(pk=job_id)


def _unfinished(job: Job) -> SceneQuerySet:
    return Scene.objects.unfinished().filter(job=job)


def _set_paused(job_id: uuid.UUID, *, is_paused: bool) -> Job:
    job = lock(job_id)
    if job.is_finished:
        raise JobFinished(status=job.status)
    job.is_paused = is_paused
    job.save(update_fields=["is_paused"])
    return job
