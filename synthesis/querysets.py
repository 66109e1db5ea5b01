"""Questions about jobs and scenes; requests reach rows by `for_workspace` alone."""

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from accounts.models import Workspace


class JobQuerySet(models.QuerySet[Any]):
    """Jobs."""

    def for_workspace(self, workspace: "Workspace") -> "JobQuerySet":
        """Return the jobs that members of `workspace` may see."""
        return self.filter(workspace=workspace, is_deleted=False)


class SceneQuerySet(models.QuerySet[Any]):
    """Scenes."""

    def unfinished(self) -> "SceneQuerySet":
        """Return the scenes that are still to be spoken, or are being spoken."""
        return self.filter(status__in=["queued", "processing"])
