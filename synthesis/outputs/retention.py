"""Retention: files go when their time is over, and deleted jobs go for good."""

import logging
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
"""How long a deleted job's row and files stay, hidden."""

_GRACE_PERIOD = timedelta(minutes=10)
"""After its time nobody can ask for a file any more; what asked before ends by then: a
download, or a retry that goes on with the job."""

_MAX_DRAFT_AGE = 24 * 3600  # seconds; no rendering takes longer
_BATCH = 500  # jobs per run

logger = logging.getLogger(__name__)


def purge() -> int:
    """Remove what is past its time; safe to interrupt and to repeat.

    Files go before the row: a crash in between leaves a row that the next run finds again.
    Returns how many jobs lost their files.
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
    """Remove temporary folders that a killed process left."""
    parent = settings.OZVENA_HOME / "tmp"
    if not parent.exists():
        return
    for folder in parent.iterdir():
        if time.time() - folder.stat().st_mtime > _MAX_DRAFT_AGE:
            shutil.rmtree(folder, ignore_errors=True)
