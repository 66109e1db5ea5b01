"""Ending the work of those who were suspended, and of workspaces that were closed."""

from django.db import transaction
from django.db.models import Q

from synthesis.errors import JobNotCancelable
from synthesis.jobs import cancel
from synthesis.models import Job

CANCEL = "synthesis.tasks.cancel_shut"
BLOCKED, CLOSED = "blocked", "closed"
"""Reasons of a job that was canceled here."""


def cancel_suspended() -> int:
    """Cancel what suspended and closed ones still have under way; return how many jobs.

    Each in a transaction of its own: who holds one workspace's wallet and waits for its
    next job could meet a worker that does the reverse. Harmless to repeat.
    """
    unfinished = Job.objects.filter(
        Q(workspace__is_blocked=True)
        | Q(created_by__is_blocked=True)
        | Q(workspace__closed_at__isnull=False),
        status__in=(Job.Status.QUEUED, Job.Status.PROCESSING),
    )
    count = 0
    for job_id, closed_at in unfinished.order_by("pk").values_list(
        "pk", "workspace__closed_at"
    ):
        try:
            with transaction.atomic(durable=True):
                cancel.cancel(job_id, reason=CLOSED if closed_at else BLOCKED)
        except JobNotCancelable:
            continue  # it has just ended
        count += 1
    return count
