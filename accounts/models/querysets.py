"""Questions about what belongs to a workspace; requests reach rows this way alone."""

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models

from accounts.roles import Act, may

if TYPE_CHECKING:
    from accounts.caller import Caller
    from accounts.models import User, Workspace


class ApiTokenQuerySet(models.QuerySet[Any]):
    """API tokens."""

    def for_workspace(self, workspace: "Workspace") -> "ApiTokenQuerySet":
        """Return the tokens of `workspace` that have not been revoked."""
        return self.filter(workspace=workspace, revoked_at=None)

    def visible_to(self, caller: "Caller") -> "ApiTokenQuerySet":
        """Return the tokens that `caller` may see and revoke: plain members, their own."""
        tokens = self.for_workspace(caller.workspace)
        if not may(caller.member_role, Act.MANAGE_TOKENS):
            tokens = tokens.filter(created_by=caller.user)
        return tokens


class LoginSessionQuerySet(models.QuerySet[Any]):
    """Logins. They are a person's, not a workspace's."""

    def for_user(self, user: "User") -> "LoginSessionQuerySet":
        """Return the logins of `user`."""
        return self.filter(user=user)

    def under_way(self) -> "LoginSessionQuerySet":
        """Return those that have not ended."""
        return self.filter(ended_at=None)

    def find(self, pk: str) -> Any:
        """Return the login with this id, None for none; `pk` is a client's word."""
        try:
            return self.filter(pk=uuid.UUID(pk)).first()
        except ValueError:
            return None
