"""Questions about what belongs to a workspace; requests reach rows this way alone."""

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.db import models

from accounts.roles import MemberRole, Permission, has_permission

if TYPE_CHECKING:
    from accounts.caller import Caller
    from accounts.models import Membership, User, Workspace  # noqa: F401 - in a base


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    """Workspaces."""

    def owned_by(self, user: "User") -> Self:
        """Return the workspaces that `user` owns, closed ones too."""
        return self.filter(memberships__user=user, memberships__role=MemberRole.OWNER)


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Memberships: a person's, or a workspace's."""

    def for_user(self, user: "User") -> Self:
        """Return the memberships of `user` in open workspaces, each with its workspace."""
        return self.select_related("workspace").filter(
            user=user, workspace__closed_at=None
        )

    def for_workspace(self, *workspaces: "Workspace") -> Self:
        """Return the members of `workspaces`, each with its user; closed accounts aside."""
        return self.select_related("user").filter(
            workspace__in=workspaces, user__closed_at=None
        )

    def owners(self) -> Self:
        """Return the owners."""
        return self.filter(role=MemberRole.OWNER)

    def usable(self) -> Self:
        """Return the memberships in workspaces that no operator has suspended."""
        return self.filter(workspace__is_blocked=False)


class ApiTokenQuerySet(models.QuerySet[Any]):
    """API tokens."""

    def for_workspace(self, workspace: "Workspace") -> "ApiTokenQuerySet":
        """Return the tokens of `workspace` that have not been revoked."""
        return self.filter(workspace=workspace, revoked_at=None)

    def visible_to(self, caller: "Caller") -> "ApiTokenQuerySet":
        """Return the tokens that `caller` may see and revoke: plain members, their own."""
        tokens = self.for_workspace(caller.workspace)
        if not has_permission(caller.member_role, Permission.MANAGE_TOKENS):
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
