"""Delete files past their retention, and jobs that users deleted."""

import shutil
import time
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Q
from django.db.models.functions import Now

from kit import idempotency
from kit.files.storage import delete_tree
from kit.models import IdempotencyRecord, QuotaCounter
from synthesis.models import Job
from synthesis.outputs import files

DELETED_JOB_RETENTION = timedelta(days=30)
"""How long the row and the files of a deleted job are kept, hidden."""

_GRACE_PERIOD = timedelta(minutes=10)
"""Expired files can't be requested any more. Within this time, requests from before have
ended: downloads, and retries that continue the job."""

_MAX_DRAFT_AGE = 24 * 3600  # seconds; no render takes longer
_BATCH = 500  # jobs per run


def purge() -> int:
    """Delete files and rows past their retention; return the number of jobs purged.

    Also old idempotency records, quota counters and temporary folders. Files are deleted
    before the row: a crash in between leaves a row that the next run finds. Safe to
    interrupt and to repeat.
    """
    over = Job.objects.filter(
        Q(is_deleted=True, deleted_at__lt=Now() - DELETED_JOB_RETENTION)
        | Q(expires_at__lt=Now() - _GRACE_PERIOD, files_removed_at=None)
    ).exclude(status__in=[Job.Status.QUEUED, Job.Status.PROCESSING])
    count = 0
    for job in over.order_by("pk")[:_BATCH]:
        delete_tree(default_storage, files.job_folder(job))
        if job.is_deleted:
            job.delete()
        else:
            Job.objects.filter(pk=job.pk).update(files_removed_at=Now())
        count += 1
    IdempotencyRecord.objects.filter(
        created_at__lt=Now() - idempotency.KEPT_FOR
    ).delete()
    QuotaCounter.objects.filter(period__lt=Now() - timedelta(days=7)).delete()
    _remove_drafts()
    return count


def _remove_drafts() -> None:
    """Delete temporary folders that killed processes left."""
    parent = settings.OZVENA_HOME / "tmp"
    if not parent.exists():
        return
    for folder in parent.iterdir():
        if time.time() - folder.stat().st_mtime > _MAX_DRAFT_AGE:
            shutil.rmtree(folder, ignore_errors=True)
