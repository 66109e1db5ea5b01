"""Querysets; requests may select rows only by `for_workspace`, `visible_to`, `for_user`."""

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models.expressions import RawSQL

from accounts.roles import MemberRole, Permission, has_permission

if TYPE_CHECKING:
    from accounts.caller import Caller
    from accounts.models import Membership, User, Workspace  # noqa: F401 - in a base


_WITH_MADE = """
WITH RECURSIVE family AS (
    SELECT id FROM accounts_apitoken WHERE id = %s
    UNION ALL
    SELECT made.id FROM family JOIN accounts_apitoken AS made ON made.maker_id = family.id
)
SELECT id FROM family
"""


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    """Queries of workspaces."""

    def owned_by(self, user: "User") -> Self:
        """Return the workspaces that `user` owns, including closed ones."""
        return self.filter(memberships__user=user, memberships__role=MemberRole.OWNER)


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Queries of memberships, by user or by workspace."""

    def for_user(self, user: "User") -> Self:
        """Return the memberships of `user` in open workspaces, with their workspaces."""
        return self.select_related("workspace").filter(
            user=user, workspace__closed_at=None
        )

    def for_workspace(self, *workspaces: "Workspace") -> Self:
        """Return the members of `workspaces` with their users, without closed accounts."""
        return self.select_related("user").filter(
            workspace__in=workspaces, user__closed_at=None
        )

    def owners(self) -> Self:
        """Return the memberships with the role owner."""
        return self.filter(role=MemberRole.OWNER)

    def usable(self) -> Self:
        """Return the memberships in workspaces that are not blocked."""
        return self.filter(workspace__is_blocked=False)


class ApiTokenQuerySet(models.QuerySet[Any]):
    """Queries of API tokens."""

    def for_workspace(self, workspace: "Workspace") -> "ApiTokenQuerySet":
        """Return the tokens of `workspace` that have not been revoked."""
        return self.filter(workspace=workspace, revoked_at=None)

    def made_by(self, token_id: uuid.UUID) -> "ApiTokenQuerySet":
        """Return a token and all that it made, and those made, and so on."""
        return self.filter(pk__in=RawSQL(_WITH_MADE, [token_id]))  # noqa: S611

    def visible_to(self, caller: "Caller") -> "ApiTokenQuerySet":
        """Return the tokens that `caller` may see and revoke.

        Without the permission MANAGE_TOKENS, these are the tokens that the user created. A
        token that is bound to an environment sees only tokens that are bound to the same
        one. A token that was made by another one sees only itself and what it made.
        """
        tokens = self.for_workspace(caller.workspace)
        if caller.token is not None:
            if caller.token.environment:
                tokens = tokens.filter(environment=caller.token.environment)
            if caller.token.maker_id is not None:
                tokens = tokens.made_by(caller.token.pk)
        if not has_permission(caller.member_role, Permission.MANAGE_TOKENS):
            tokens = tokens.filter(created_by=caller.user)
        return tokens


class LoginSessionQuerySet(models.QuerySet[Any]):
    """Queries of logins, which belong to a user and not to a workspace."""

    def for_user(self, user: "User") -> "LoginSessionQuerySet":
        """Return the logins of `user`, including ended ones."""
        return self.filter(user=user)

    def active(self) -> "LoginSessionQuerySet":
        """Return the logins that have not ended."""
        return self.filter(ended_at=None)

    def find(self, pk: str) -> Any:
        """Return the login with this id; None if there is none or `pk` is no UUID."""
        try:
            return self.filter(pk=uuid.UUID(pk)).first()
        except ValueError:
            return None
