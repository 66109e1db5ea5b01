"""Cancel the jobs of blocked users and of blocked or closed workspaces."""

from django.db import transaction
from django.db.models import Q

from kit.errors import NotFound
from synthesis.errors import JobNotCancelable
from synthesis.jobs import cancel
from synthesis.models import Job

CANCEL = "synthesis.tasks.cancel_shut"
BLOCKED, CLOSED = "blocked", "closed"
"""Values of `Job.reason` for jobs that are canceled here."""


def cancel_suspended() -> int:
    """Cancel unfinished jobs of blocked users and workspaces; return how many.

    Also those of closed workspaces. Each job is canceled in its own transaction: holding
    one wallet's lock while waiting for the next job could deadlock with a worker that
    locks in the reverse order. Safe to repeat.
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
        except (JobNotCancelable, NotFound):
            continue  # it has just ended, or was deleted
        count += 1
    return count
