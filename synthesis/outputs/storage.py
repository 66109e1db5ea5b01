"""Count again what jobs and workspaces store, should a sum have gone wrong."""

import uuid
from typing import Any

from django.db import transaction
from django.db.models import Case, F, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from accounts.models import StorageUsage, Workspace
from synthesis.models import Assembly, Job, Scene, Take
from synthesis.models.querysets import JobQuerySet

_BATCH = 1000  # jobs that one statement looks at


def recount() -> int:
    """Correct the sums of jobs and workspaces; return how many were wrong."""
    count = 0
    last: uuid.UUID | None = None
    while ids := _next_ids(last):
        last = ids[-1]
        for pk in _wrong(Job.objects.filter(pk__in=ids)).values_list("pk", flat=True):
            with transaction.atomic(durable=True):
                list(Job.objects.select_for_update(of=("self",)).filter(pk=pk))
                wrong = _wrong(Job.objects.filter(pk=pk))
                count += wrong.update(stored_bytes=F("counted"))
    for workspace in Workspace.objects.annotate(counted=_of_workspace("pk")).exclude(
        counted=Coalesce("storage__stored_bytes", 0)
    ):
        with transaction.atomic(durable=True):
            # Who changes a job adds to the sum last, and waits for this lock.
            StorageUsage.objects.get_or_create(workspace=workspace)
            rows = StorageUsage.objects.filter(workspace=workspace)
            list(rows.select_for_update())
            count += rows.update(stored_bytes=_of_workspace("workspace_id"))
    return count


def _next_ids(last: uuid.UUID | None) -> list[uuid.UUID]:
    jobs = Job.objects.order_by("pk")
    later = jobs.filter(pk__gt=last) if last else jobs
    return list(later.values_list("pk", flat=True)[:_BATCH])


def _wrong(jobs: JobQuerySet) -> JobQuerySet:
    """Return the jobs whose sum is not `counted`, that of their rows."""
    rows = (
        Scene.objects.filter(job=OuterRef("pk")).values("job"),
        Take.objects.filter(scene__job=OuterRef("pk")).values("scene__job"),
        Assembly.objects.filter(job=OuterRef("pk")).values("job"),
    )
    scenes, takes, assemblies = map(_sum, rows)
    counted = Case(
        When(files_removed_at=None, then=scenes + takes + assemblies), default=Value(0)
    )
    return jobs.annotate(counted=counted).exclude(stored_bytes=F("counted"))


def _of_workspace(name: str) -> Coalesce:
    jobs = Job.objects.filter(workspace=OuterRef(name), is_deleted=False)
    return _sum(jobs.values("workspace"))


def _sum(rows: QuerySet[Any, Any]) -> Coalesce:
    sums = rows.order_by().annotate(bytes=Sum("stored_bytes")).values("bytes")
    return Coalesce(Subquery(sums), 0)
