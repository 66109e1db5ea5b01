"""Retention: files go when their time is over, and deleted jobs go for good."""

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

DELETED_FOR = timedelta(days=30)
"""How long a deleted job's row and files stay, hidden."""

_UNDER_WAY = timedelta(minutes=10)
"""After its time nobody can ask for a file any more; what asked before ends by then: a
download, or a retry that goes on with the job."""

_DRAFTS_KEPT = 24 * 3600  # seconds; no rendering takes longer
_MOST = 500  # jobs per run


def purge() -> int:
    """Remove what is past its time; safe to interrupt and to repeat.

    Files go before the row: a crash in between leaves a row that the next run finds again.
    Returns how many jobs lost their files.
    """
    over = Job.objects.filter(
        Q(is_deleted=True, deleted_at__lt=Now() - DELETED_FOR)
        | Q(expires_at__lt=Now() - _UNDER_WAY, files_removed_at=None)
    ).exclude(status__in=[Job.Status.QUEUED, Job.Status.PROCESSING])
    count = 0
    for job in over.order_by("pk")[:_MOST]:
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
    """Remove temporary folders that a killed process left."""
    parent = settings.OZVENA_HOME / "tmp"
    if not parent.exists():
        return
    for folder in parent.iterdir():
        if time.time() - folder.stat().st_mtime > _DRAFTS_KEPT:
            shutil.rmtree(folder, ignore_errors=True)
