"""Workspaces that several people share: opening them, and who is in them.

The row of the workspace is locked by whoever changes its members, so that two changes at
once can't leave it without an owner. `accounts.roles` has the permissions of each role.
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
from accounts.roles import Permission, require_permission
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.errors import NotFound, RateLimited
from kit.mail import outbox

MOST_UNPAID = 3
"""Workspaces without a plan that one person may own, the personal one among them."""
INVITED_FOR = timedelta(days=7)
INVITATIONS_PER_DAY = 30
"""By one person: an invitation is a mail to anybody."""

Role = Membership.Role


def memberships(caller: Caller) -> QuerySet[Membership]:
    """Return the caller's memberships; a token's is the one it is bound to."""
    found = Membership.objects.for_user(caller.person)
    if caller.token is not None:
        found = found.filter(workspace=caller.token.workspace_id)
    return found.order_by("-workspace")


def membership(caller: Caller, workspace_id: uuid.UUID) -> Membership:
    """Return the caller's membership of a workspace.

    Raises:
        NotFound: there is none.
        Blocked: the workspace is suspended.
    """
    found = memberships(caller).filter(workspace=workspace_id).first()
    if found is None:
        raise NotFound
    if found.workspace.is_blocked:
        raise Blocked
    return found


def members(*workspaces: Workspace) -> QuerySet[Membership]:
    """Return who is in workspaces."""
    return Membership.objects.for_workspace(*workspaces).order_by("pk")


def invitations(*workspaces: Workspace) -> QuerySet[Invitation]:
    """Return who is invited to workspaces."""
    rows = Invitation.objects.filter(workspace__in=workspaces, expires_at__gt=Now())
    return rows.order_by("-pk")


def invitations_to(user: User) -> QuerySet[Invitation]:
    """Return where a person is invited to."""
    rows = Invitation.objects.select_related("workspace", "invited_by")
    return rows.filter(
        email=user.email, expires_at__gt=Now(), workspace__closed_at=None
    ).order_by("-pk")


def closed(user: User) -> QuerySet[Workspace]:
    """Return the workspaces for several that a person has closed and can open again."""
    return (
        Workspace.objects.owned_by(user)
        .filter(kind=Workspace.Kind.TEAM, closed_at__gt=Now() - closing.KEPT_FOR)
        .order_by("closed_at")
    )


@needs_transaction
def create(owner: User, name: str) -> Membership:
    """Open a workspace; return its owner's place.

    Raises:
        TooManyWorkspaces: the person owns as many as one can.
    """
    _demand_room(owner)
    workspace = Workspace.objects.create(
        name=name, kind=Workspace.Kind.TEAM, created_at=timezone.now()
    )
    owners = Membership.objects.create(
        user=owner, workspace=workspace, role=Role.OWNER, created_at=timezone.now()
    )
    lifecycle.opened(workspace)
    return owners


def rename(by: Membership, name: str) -> None:
    """Give a workspace another name.

    Raises:
        NotAllowed: the person's role is too low.
    """
    require_permission(by.role, Permission.RENAME)
    by.workspace.name = name
    by.workspace.save(update_fields=["name"])


@needs_transaction
def close(by: Membership) -> datetime:
    """Close a workspace for all who are in it; return when it is gone.

    Its tokens open nothing and its work is canceled.

    Raises:
        NotAllowed: the person's role is too low.
        PersonalWorkspace: that closes with its owner's account.
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
    """Open a closed workspace again, as it was.

    Raises:
        NotFound: the person has closed no such workspace, or it is gone.
        TooManyWorkspaces: the person owns as many as one can.
    """
    workspace = (
        closed(user).select_for_update(of=("self",)).filter(pk=workspace_id).first()
    )
    if workspace is None:
        raise NotFound
    _demand_room(user, workspace)
    workspace.closed_at = None
    workspace.save(update_fields=["closed_at"])
    return Membership.objects.for_user(user).get(workspace=workspace)


@needs_transaction
def invite(by: Membership, email: str, role: str) -> Invitation:
    """Invite an address, by mail; once more renews it.

    Raises:
        Invalid: this can't be an address.
        NotFound: the person has left meanwhile.
        NotAllowed: the person's role is too low for that, or for the invitation that
            waits already.
        PersonalWorkspace: it is no workspace for several.
        AlreadyMember: the person is in it.
        RateLimited: too many in a day.
    """
    email = normalize_email(email)
    workspace = _lock(by.workspace_id)
    by = _now(by)
    require_permission(by.role, _inviting(role))
    if workspace.kind != Workspace.Kind.TEAM:
        raise PersonalWorkspace
    if waiting := invitations(workspace).filter(email=email).first():
        require_permission(by.role, _inviting(waiting.role))
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
    """Take an invitation back.

    Raises:
        NotFound: there is none.
        NotAllowed: the person's role is too low.
    """
    invitation = invitations(by.workspace).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound
    require_permission(by.role, _inviting(invitation.role))
    invitation.delete()


@needs_transaction
def accept(user: User, invitation_id: uuid.UUID) -> Membership:
    """Take the place that one is invited to.

    Raises:
        NotFound: there is no such invitation to this person's address.
        Blocked: the workspace is suspended.
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
    """Turn an invitation down.

    Raises:
        NotFound: there is no such invitation to this person's address.
    """
    _invitation_to(user, invitation_id).delete()


@needs_transaction
def change_role(by: Membership, user_id: uuid.UUID, role: str) -> Membership:
    """Give a member another role; OWNER hands the workspace over, and leaves us an admin.

    Raises:
        NotFound: there is no such member.
        NotAllowed: the person's role is too low, or it is the owner's own membership.
        PersonalWorkspace: it is no workspace for several.
        TooManyWorkspaces: the new owner owns as many as one can.
    """
    by, other = _lock_two(by, user_id)
    require_permission(
        by.role, Permission.HAND_OVER if role == Role.OWNER else Permission.CHANGE_ROLE
    )
    if other.pk == by.pk:
        raise NotAllowed
    if role == Role.OWNER:
        _demand_room(other.user, by.workspace)
        by.role = Role.ADMIN
        by.save(update_fields=["role"])
    other.role = role
    other.save(update_fields=["role"])
    return other


@needs_transaction
def remove(by: Membership, user_id: uuid.UUID) -> None:
    """Take a member out of the workspace, or leave it; their tokens end.

    Raises:
        NotFound: there is no such member.
        NotAllowed: the person's role is too low.
        OwnerStays: it is the owner's membership.
    """
    by, other = _lock_two(by, user_id)
    if other.pk != by.pk:
        is_member = other.role == Role.MEMBER
        require_permission(
            by.role, Permission.REMOVE_MEMBER if is_member else Permission.REMOVE_ADMIN
        )
    if other.role == Role.OWNER:
        raise OwnerStays
    tokens = ApiToken.objects.for_workspace(by.workspace).filter(created_by=other.user)
    tokens.update(revoked_at=Now())
    other.delete()


def _inviting(role: str) -> Permission:
    return Permission.INVITE_MEMBER if role == Role.MEMBER else Permission.INVITE_ADMIN


@needs_transaction
def _lock(workspace_id: uuid.UUID) -> Workspace:
    return Workspace.objects.select_for_update().get(pk=workspace_id)


def _now(membership: Membership) -> Membership:
    """Return a membership as it is now that its workspace is locked.

    Raises:
        NotFound: the person has left.
    """
    if now := Membership.objects.filter(pk=membership.pk).first():
        return now
    raise NotFound


def _lock_two(by: Membership, user_id: uuid.UUID) -> tuple[Membership, Membership]:
    """Return both memberships as they are now, with the workspace locked."""
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


def _demand_room(owner: User, more: Workspace | None = None) -> None:
    """Refuse another workspace without a plan beyond the most; one at a time looks."""
    if more is not None and more.tier == Workspace.Tier.PAID:
        return
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        owned = Membership.objects.for_user(owner).owners()
        unpaid = owned.filter(workspace__tier=Workspace.Tier.FREE)
        if unpaid.count() >= MOST_UNPAID:
            raise TooManyWorkspaces(limit=MOST_UNPAID)
