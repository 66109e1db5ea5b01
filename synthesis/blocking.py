"""Ending the work of people and workspaces that were suspended."""

from django.db import transaction
from django.db.models import Q

from synthesis.errors import JobNotCancelable
from synthesis.jobs import cancel
from synthesis.models import Job

CANCEL = "synthesis.tasks.cancel_blocked"
REASON = "blocked"


def cancel_blocked() -> int:
    """Cancel what suspended ones still have under way; return how many jobs.

    Each in a transaction of its own: who holds one workspace's wallet and waits for its
    next job could meet a worker that does the reverse. Harmless to repeat.
    """
    unfinished = Job.objects.filter(
        Q(workspace__is_blocked=True) | Q(created_by__is_blocked=True),
        status__in=(Job.Status.QUEUED, Job.Status.PROCESSING),
    )
    count = 0
    for job_id in unfinished.order_by("pk").values_list("pk", flat=True):
        try:
            with transaction.atomic(durable=True):
                cancel.cancel(job_id, reason=REASON)
        except JobNotCancelable:
            continue  # it has just ended
        count += 1
    return count
