"""Delete files past their retention, superseded ones, and jobs that users deleted."""

import logging
import shutil
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import CharField, Exists, F, Model, OuterRef, QuerySet
from django.db.models.functions import Cast, Now

from kit import idempotency
from kit.files.storage import delete_tree
from kit.models import IdempotencyRecord, QuotaCounter
from kit.work.loop import SHIFT
from synthesis.models import Assembly, Job, Piece, Take
from synthesis.outputs import files

DELETED_JOB_RETENTION = timedelta(days=30)
"""How long the row and the files of a deleted job are kept, hidden."""

_GRACE_PERIOD = timedelta(minutes=10)
"""Expired files can't be requested any more. Within this time, requests from before have
ended: downloads, and retries that continue the job."""

SUPERSEDED_RETENTION = timedelta(hours=1)
"""How long files are kept that nothing shows any more: running downloads end by then.
Those that the answer for an Idempotency-Key may name are kept as long as the key."""

_MAX_DRAFT_AGE = 24 * 3600  # seconds; no render takes longer
_BATCH = 100  # rows that are read at once

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)


def purge(seconds: float = SHIFT) -> int:
    """Delete files and rows past their retention; return the number of jobs purged.

    Also what is superseded, old idempotency records, quota counters and temporary folders.
    It stops after `seconds`, and the next run goes on. Files are deleted before their row:
    a crash in between leaves a row that the next run finds. Safe to interrupt, to repeat
    and to run twice at once. What can't be removed is logged, and holds up nothing else.
    """
    until = time.monotonic() + seconds
    ended = Job.objects.exclude(status__in=[Job.Status.QUEUED, Job.Status.PROCESSING])
    deleted = ended.filter(
        is_deleted=True, deleted_at__lt=Now() - DELETED_JOB_RETENTION
    ).order_by("deleted_at", "pk")
    expired = ended.filter(
        expires_at__lt=Now() - _GRACE_PERIOD, files_removed_at=None
    ).order_by("expires_at", "pk")
    count = _remove_all(deleted, _remove_job, until)
    count += _remove_all(expired, _remove_files, until)
    _remove_all(_superseded_takes(), _remove_take, until)
    _remove_all(_superseded_assemblies(), _remove_assembly, until)
    IdempotencyRecord.objects.filter(
        created_at__lt=Now() - idempotency.KEPT_FOR
    ).delete()
    QuotaCounter.objects.filter(period__lt=Now() - timedelta(days=7)).delete()
    _remove_drafts()
    return count


def _remove_all(rows: QuerySet[M], remove: Callable[[M], None], until: float) -> int:
    """Call `remove` for all `rows`, in small batches; return how many were removed."""
    count = 0
    stuck: list[object] = []
    while batch := list(rows.exclude(pk__in=stuck)[:_BATCH]):
        for row in batch:
            if time.monotonic() >= until:
                return count
            try:
                remove(row)
            except Exception:
                logger.exception("could not remove %s %s", row._meta.label, row.pk)
                stuck.append(row.pk)
            else:
                count += 1
    return count


def _remove_job(job: Job) -> None:
    delete_tree(default_storage, files.job_folder(job))
    with transaction.atomic(durable=True):
        job.delete()


def _remove_files(job: Job) -> None:
    delete_tree(default_storage, files.job_folder(job))
    Job.objects.filter(pk=job.pk).update(files_removed_at=Now(), stored_bytes=0)


def _superseded_takes() -> QuerySet[Take]:
    answers = IdempotencyRecord.objects.exclude(subject="").filter(  # as its index
        subject=Cast(OuterRef("scene__job_id"), CharField()),
        created_at__gt=Now() - idempotency.KEPT_FOR,
    )
    return (
        Take.objects.filter(superseded_at__lt=Now() - SUPERSEDED_RETENTION)
        .exclude(Exists(answers))
        .exclude(render=F("scene__render"))
        .select_related("scene")
        .order_by("superseded_at", "pk")
    )


def _remove_take(take: Take) -> None:
    files.delete_render(take.scene, take.render)
    with transaction.atomic(durable=True):
        job = _lock(take.scene.job_id)
        if job and Take.objects.filter(pk=take.pk).delete()[0]:
            Piece.objects.filter(scene=take.scene, render=take.render).delete()
            _free(job, take.stored_bytes)


def _superseded_assemblies() -> QuerySet[Assembly]:
    return (
        Assembly.objects.filter(superseded_at__lt=Now() - SUPERSEDED_RETENTION)
        .exclude(status__in=[Assembly.Status.QUEUED, Assembly.Status.PROCESSING])
        .order_by("superseded_at", "pk")
    )


def _remove_assembly(assembly: Assembly) -> None:
    if assembly.file:
        default_storage.delete(assembly.file)
    with transaction.atomic(durable=True):
        job = _lock(assembly.job_id)
        if job and Assembly.objects.filter(pk=assembly.pk).delete()[0]:
            _free(job, assembly.stored_bytes)


def _lock(job_id: uuid.UUID) -> Job | None:
    """Return a job with its row locked; None if it was removed meanwhile."""
    return Job.objects.select_for_update(of=("self",)).filter(pk=job_id).first()


def _free(job: Job, size: int) -> None:
    job.stored_bytes = max(0, job.stored_bytes - size)
    job.save(update_fields=["stored_bytes"])


def _remove_drafts() -> None:
    """Delete temporary folders that killed processes left."""
    parent = settings.OZVENA_HOME / "tmp"
    if not parent.exists():
        return
    for folder in parent.iterdir():
        if time.time() - folder.stat().st_mtime > _MAX_DRAFT_AGE:
            shutil.rmtree(folder, ignore_errors=True)
