"""Canceling, pausing and deleting: ending work, or holding it back."""

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
    """Stop a job: what is spoken stays charged, the rest of its credits comes back.

    A worker that is speaking one of its scenes finds its fence gone and drops the result.

    Raises:
        JobNotCancelable: the job has ended already.
    """
    job = lock(job_id)
    if job.is_finished:
        raise JobNotCancelable(status=job.status)
    now = timezone.now()
    # Rows are locked in one order, as by everybody else who takes several.
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
    """Hide a job at once, canceling it first; its files go when a purge comes by.

    Harmless to repeat.
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
    """Hold back the scenes that nobody speaks yet.

    A scene that is being spoken is finished, unless it has to be tried again.

    Raises:
        JobFinished: there is nothing to hold back.
    """
    job = _set_paused(job_id, is_paused=True)
    _unfinished(job).update(is_held=True)
    return job


@needs_transaction
def resume(job_id: uuid.UUID) -> Job:
    """Let a paused job go on.

    Raises:
        JobFinished: there is nothing to go on with.
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
    """Return a job, locked until the transaction ends."""
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
