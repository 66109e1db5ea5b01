"""Questions about what belongs to a workspace; requests reach rows this way alone."""

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from accounts.caller import Caller
    from accounts.models import Workspace


class ApiTokenQuerySet(models.QuerySet[Any]):
    """API tokens."""

    def for_workspace(self, workspace: "Workspace") -> "ApiTokenQuerySet":
        """Return the tokens of `workspace` that have not been revoked."""
        return self.filter(workspace=workspace, revoked_at=None)

    def visible_to(self, caller: "Caller") -> "ApiTokenQuerySet":
        """Return the tokens that `caller` may see and revoke: plain members, their own."""
        tokens = self.for_workspace(caller.workspace)
        if caller.member_role == "member":
            tokens = tokens.filter(created_by=caller.user)
        return tokens
