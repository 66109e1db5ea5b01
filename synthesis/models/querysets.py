"""Querysets of jobs and scenes. Requests reach rows only through `for_workspace`."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from accounts.caller import Caller
    from accounts.models import Workspace
    from synthesis.models import Job, Scene  # noqa: F401
    from synthesis.work.claiming import LimitsReached

_UNFINISHED = ("queued", "processing")


class JobQuerySet(models.QuerySet["Job"]):
    """Queries for jobs."""

    def for_workspace(self, workspace: Workspace) -> JobQuerySet:
        """Return the jobs that members of `workspace` may see."""
        return self.filter(workspace=workspace, is_deleted=False)

    def visible_to(self, caller: Caller) -> JobQuerySet:
        """Return the jobs that `caller` may see by id.

        A guest may see any job of guests whose id they know, until it expires. A token
        that is bound to an environment sees no jobs of the other environment.
        """
        jobs = self.for_workspace(caller.workspace)
        if caller.is_guest:
            return jobs.filter(expires_at__gt=Now())
        if caller.token is not None and caller.token.environment:
            return jobs.filter(environment=caller.environment)
        return jobs

    def linked(self, job_id: uuid.UUID) -> JobQuerySet:
        """Return the job of a signed link, unless its owner is blocked or closed."""
        return self.filter(
            pk=job_id,
            is_deleted=False,
            workspace__is_blocked=False,
            workspace__closed_at=None,
        ).exclude(created_by__is_blocked=True)

    def with_provider(self, provider: str) -> JobQuerySet:
        """Return the jobs that have a scene with a voice of `provider`."""
        scenes = self.model._meta.get_field("scenes").related_model._default_manager
        return self.filter(Exists(scenes.filter(job=OuterRef("pk"), provider=provider)))


class SceneQuerySet(models.QuerySet["Scene"]):
    """Queries for scenes."""

    def unfinished(self) -> SceneQuerySet:
        """Return the scenes that are queued or being spoken."""
        return self.filter(status__in=_UNFINISHED)

    def without_text(self) -> SceneQuerySet:
        """Return the scenes with what is heard of them; texts are not loaded."""
        texts = ("text", "shifts", "take__text", "take__shifts")
        return self.select_related("take").defer(*texts)

    def waiting(self) -> SceneQuerySet:
        """Return the scenes that a worker may claim, if no limit is reached."""
        return self.filter(status="queued", is_held=False, ready_at__lte=Now())

    def progress(
        self, jobs: Collection[uuid.UUID]
    ) -> dict[uuid.UUID, tuple[int, int, int]]:
        """Return the number of scenes in total, completed and ended for each job.

        Takes one query for all jobs.
        """
        counts = dict.fromkeys(jobs, (0, 0, 0))
        rows = (
            self.filter(job__in=jobs)
            .order_by()
            .values("job")
            .annotate(
                total=Count("pk"),
                done=Count("pk", filter=Q(status="completed")),
                ended=Count("pk", filter=~Q(status__in=_UNFINISHED)),
            )
        )
        for row in rows:
            counts[row["job"]] = (row["total"], row["done"], row["ended"])
        return counts

    def startable(self, reached: LimitsReached) -> SceneQuerySet:
        """Exclude the scenes whose workspace, provider or upstream is in `reached`."""
        held_back = Q(workspace_id__in=reached.workspaces) | Q(
            provider__in=reached.providers
        )
        for provider, credential in reached.upstreams:
            held_back |= Q(provider=provider, credential=credential)
        return self.exclude(held_back)
