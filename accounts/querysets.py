"""Questions about what belongs to a workspace; requests reach rows this way alone."""

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from accounts.models import Workspace


class ApiTokenQuerySet(models.QuerySet[Any]):
    """API tokens."""

    def for_workspace(self, workspace: "Workspace") -> "ApiTokenQuerySet":
        """Return the tokens of `workspace` that have not been revoked."""
        return self.filter(workspace=workspace, revoked_at=None)
