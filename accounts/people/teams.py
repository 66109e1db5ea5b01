"""Team workspaces: create, close and reopen them; manage members and invitations.

Changes of members lock the workspace's row first, so that concurrent changes can't leave it
without an owner. `accounts.roles` has the permissions of each role.
"""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import lifecycle
from accounts.caller import Caller
from accounts.errors import (
    AlreadyMember,
    Blocked,
    NotAllowed,
    OwnerStays,
    PersonalWorkspace,
    TooManyWorkspaces,
)
from accounts.models import ApiToken, Invitation, Membership, User, Workspace
from accounts.people import closing
from accounts.people.signup import normalize_email
from accounts.roles import Permission, has_permission, require_permission
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.errors import NotFound, RateLimited
from kit.mail import outbox

MOST_UNPAID = 3
"""Workspaces without a plan that one user may own, including the personal one."""
INVITED_FOR = timedelta(days=7)
INVITATIONS_PER_DAY = 30
"""Invitations of one user per day, since each is a mail to any address."""

Role = Membership.Role


def memberships(caller: Caller) -> QuerySet[Membership]:
    """Return the caller's memberships; for a token, only the one in its workspace."""
    found = Membership.objects.for_user(caller.person)
    if caller.token is not None:
        found = found.filter(workspace=caller.token.workspace_id)
    return found.select_related("workspace__storage").order_by("-workspace")


def membership(caller: Caller, workspace_id: uuid.UUID) -> Membership:
    """Return the caller's membership of a workspace.

    Raises:
        NotFound: there is none.
        Blocked: the workspace is blocked.
    """
    found = memberships(caller).filter(workspace=workspace_id).first()
    if found is None:
        raise NotFound
    if found.workspace.is_blocked:
        raise Blocked
    return found


def members(*workspaces: Workspace) -> QuerySet[Membership]:
    """Return the members of workspaces."""
    return Membership.objects.for_workspace(*workspaces).order_by("pk")


def invitations(*workspaces: Workspace) -> QuerySet[Invitation]:
    """Return the open invitations to workspaces."""
    rows = Invitation.objects.filter(workspace__in=workspaces, expires_at__gt=Now())
    return rows.order_by("-pk")


def invitations_to(user: User) -> QuerySet[Invitation]:
    """Return the open invitations for a user.

    Without those of someone who is blocked or has closed the account meanwhile.
    """
    rows = Invitation.objects.select_related("workspace", "invited_by")
    return rows.filter(
        email=user.email,
        expires_at__gt=Now(),
        workspace__closed_at=None,
        invited_by__is_blocked=False,
        invited_by__closed_at=None,
    ).order_by("-pk")


def closed(user: User) -> QuerySet[Workspace]:
    """Return the closed team workspaces that a user can reopen."""
    return (
        Workspace.objects.owned_by(user)
        .filter(kind=Workspace.Kind.TEAM, closed_at__gt=Now() - closing.KEPT_FOR)
        .order_by("closed_at")
    )


@needs_transaction
def create(owner: User, name: str) -> Membership:
    """Create a team workspace; return its owner's membership.

    Raises:
        TooManyWorkspaces: the user owns the maximum without a plan.
    """
    _require_below_limit(owner)
    workspace = Workspace.objects.create(
        name=name, kind=Workspace.Kind.TEAM, created_at=timezone.now()
    )
    owners = Membership.objects.create(
        user=owner, workspace=workspace, role=Role.OWNER, created_at=timezone.now()
    )
    lifecycle.opened(workspace)
    return owners


def rename(by: Membership, name: str) -> None:
    """Rename a workspace.

    Raises:
        NotAllowed: the member has no permission.
    """
    require_permission(by.role, Permission.RENAME)
    by.workspace.name = name
    by.workspace.save(update_fields=["name"])


@needs_transaction
def close(by: Membership) -> datetime:
    """Close a workspace for all members; return when it will be purged.

    Its tokens are refused and its work is canceled.

    Raises:
        NotAllowed: the member has no permission.
        PersonalWorkspace: a personal workspace closes with its owner's account.
        NotFound: it was closed meanwhile.
    """
    workspace = _lock(by.workspace_id)
    by.refresh_from_db(fields=["role"])
    require_permission(by.role, Permission.CLOSE)
    if workspace.kind != Workspace.Kind.TEAM:
        raise PersonalWorkspace
    if workspace.closed_at is not None:
        raise NotFound
    now = timezone.now()
    closing.close_workspace(workspace, at=now)
    return now + closing.KEPT_FOR


@needs_transaction
def reopen(user: User, workspace_id: uuid.UUID) -> Membership:
    """Reopen a closed workspace; return the owner's membership.

    Raises:
        NotFound: the user has no such closed workspace, or it is gone.
        TooManyWorkspaces: the user owns the maximum without a plan.
    """
    workspace = (
        closed(user).select_for_update(of=("self",)).filter(pk=workspace_id).first()
    )
    if workspace is None:
        raise NotFound
    _require_below_limit(user, workspace)
    workspace.closed_at = None
    workspace.save(update_fields=["closed_at"])
    return Membership.objects.for_user(user).get(workspace=workspace)


@needs_transaction
def invite(by: Membership, email: str, role: str) -> Invitation:
    """Invite an email address by mail; a second call renews the invitation.

    Raises:
        Invalid: the address is not valid.
        NotFound: the inviting member has left meanwhile.
        NotAllowed: the member may not invite for this role, or not replace the open
            invitation.
        PersonalWorkspace: it is not a team workspace.
        AlreadyMember: the address is a member's.
        RateLimited: the daily limit is reached.
    """
    email = normalize_email(email)
    workspace = _lock(by.workspace_id)
    by = _reloaded(by)
    require_may_invite(by, role)
    if workspace.kind != Workspace.Kind.TEAM:
        raise PersonalWorkspace
    if waiting := invitations(workspace).filter(email=email).first():
        require_may_invite(by, waiting.role)
    if Membership.objects.filter(workspace=workspace, user__email=email).exists():
        raise AlreadyMember
    if not quotas.take(
        "invitations",
        str(by.user_id),
        limit=INVITATIONS_PER_DAY,
        period=quotas.today(),
    ):
        raise RateLimited(retry_after=quotas.seconds_left_today())
    invitation, _ = Invitation.objects.update_or_create(
        workspace=workspace,
        email=email,
        defaults={
            "role": role,
            "invited_by": by.user,
            "expires_at": timezone.now() + INVITED_FOR,
        },
    )
    page = settings.BASE_URL + reverse("team-page")
    outbox.post(
        email,
        "You are invited to a workspace at Ozvena",
        render_to_string(
            "accounts/mail/invitation.txt", {"invitation": invitation, "page": page}
        ),
        useful_for=INVITED_FOR,
    )
    return invitation


def withdraw(by: Membership, invitation_id: uuid.UUID) -> None:
    """Withdraw an invitation.

    Raises:
        NotFound: there is none.
        NotAllowed: the member has no permission.
    """
    invitation = invitations(by.workspace).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound
    require_may_invite(by, invitation.role)
    invitation.delete()


@needs_transaction
def accept(user: User, invitation_id: uuid.UUID) -> Membership:
    """Accept an invitation; return the new membership.

    Raises:
        NotFound: there is no such invitation to the user's address.
        Blocked: the workspace is blocked.
    """
    invitation = _invitation_to(user, invitation_id)
    workspace = _lock(invitation.workspace_id)
    if workspace.is_blocked:
        raise Blocked
    if workspace.closed_at is not None:
        raise NotFound
    # It may have been withdrawn while we waited for the lock.
    if not Invitation.objects.filter(pk=invitation.pk).delete()[0]:
        raise NotFound
    membership, _ = Membership.objects.get_or_create(
        user=user, workspace=workspace, defaults={"role": invitation.role}
    )
    return membership


def decline(user: User, invitation_id: uuid.UUID) -> None:
    """Decline an invitation.

    Raises:
        NotFound: there is no such invitation to the user's address.
    """
    _invitation_to(user, invitation_id).delete()


@needs_transaction
def change_role(by: Membership, user_id: uuid.UUID, role: str) -> Membership:
    """Change a member's role. With OWNER, the former owner becomes an admin.

    Invitations that the new roles do not permit are withdrawn.

    Raises:
        NotFound: there is no such member.
        NotAllowed: the member has no permission, or would change the own role.
        PersonalWorkspace: it is not a team workspace.
        TooManyWorkspaces: the new owner owns the maximum without a plan.
    """
    by, other = _lock_both(by, user_id)
    require_permission(
        by.role, Permission.HAND_OVER if role == Role.OWNER else Permission.CHANGE_ROLE
    )
    if other.pk == by.pk:
        raise NotAllowed
    if role == Role.OWNER:
        _require_below_limit(other.user, by.workspace)
        by.role = Role.ADMIN
        by.save(update_fields=["role"])
        _withdraw_invitations_of(by)
    other.role = role
    other.save(update_fields=["role"])
    _withdraw_invitations_of(other)
    return other


@needs_transaction
def remove(by: Membership, user_id: uuid.UUID) -> None:
    """Remove a member from the workspace, or leave it.

    The member's tokens are revoked, and the member's invitations withdrawn.

    Raises:
        NotFound: there is no such member.
        NotAllowed: the removing member has no permission.
        OwnerStays: it is the owner's membership.
    """
    by, other = _lock_both(by, user_id)
    if other.pk != by.pk:
        is_member = other.role == Role.MEMBER
        require_permission(
            by.role, Permission.REMOVE_MEMBER if is_member else Permission.REMOVE_ADMIN
        )
    if other.role == Role.OWNER:
        raise OwnerStays
    tokens = ApiToken.objects.for_workspace(by.workspace).filter(created_by=other.user)
    tokens.update(revoked_at=Now())
    _sent_by(other).delete()
    other.delete()


def _withdraw_invitations_of(member: Membership) -> None:
    """Delete the invitations of a member that the member's role does not permit."""
    for role in Role.values:
        if not has_permission(member.role, _invite_permission(role)):
            _sent_by(member).filter(role=role).delete()


def _sent_by(member: Membership) -> QuerySet[Invitation]:
    return Invitation.objects.filter(
        workspace=member.workspace_id, invited_by=member.user_id
    )


def require_may_invite(by: Membership, role: str) -> None:
    """Raise NotAllowed unless a member may invite people for `role`."""
    require_permission(by.role, _invite_permission(role))


def _invite_permission(role: str) -> Permission:
    return Permission.INVITE_MEMBER if role == Role.MEMBER else Permission.INVITE_ADMIN


@needs_transaction
def _lock(workspace_id: uuid.UUID) -> Workspace:
    return Workspace.objects.select_for_update().get(pk=workspace_id)


def _reloaded(membership: Membership) -> Membership:
    """Return the current state of a membership, after its workspace was locked.

    Raises:
        NotFound: the member has left.
    """
    if now := Membership.objects.filter(pk=membership.pk).first():
        return now
    raise NotFound


def _lock_both(by: Membership, user_id: uuid.UUID) -> tuple[Membership, Membership]:
    """Lock the workspace; return the current state of both memberships."""
    workspace = _lock(by.workspace_id)
    now = {row.user_id: row for row in members(workspace)}
    if by.user_id not in now or user_id not in now:
        raise NotFound
    return now[by.user_id], now[user_id]


def _invitation_to(user: User, invitation_id: uuid.UUID) -> Invitation:
    invitation = invitations_to(user).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound
    return invitation


def _require_below_limit(owner: User, workspace: Workspace | None = None) -> None:
    """Raise TooManyWorkspaces if `owner` can't own one more workspace without a plan.

    `workspace` is the additional one; None for a new one. The owner's row is locked, so
    concurrent calls are checked one after the other.
    """
    if workspace is not None and workspace.tier == Workspace.Tier.PAID:
        return
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        owned = Membership.objects.for_user(owner).owners()
        unpaid = owned.filter(workspace__tier=Workspace.Tier.FREE)
        if unpaid.count() >= MOST_UNPAID:
            raise TooManyWorkspaces(limit=MOST_UNPAID)
