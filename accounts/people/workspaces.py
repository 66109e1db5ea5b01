"""Workspaces: the two that are built in, and the ones that a person may act in."""

import uuid

from django.db import transaction
from django.db.models import QuerySet

from accounts import lifecycle
from accounts.models import Membership, User, Workspace
from kit.errors import NotFound


def guests() -> Workspace:
    """Return the workspace that all visitors without an account share."""
    return _built_in(Workspace.Kind.GUESTS, "Guests")


def operators() -> Workspace:
    """Return the workspace that ADMIN_ACCESS_KEY acts in."""
    return _built_in(Workspace.Kind.OPERATORS, "Operators")


def _built_in(kind: Workspace.Kind, name: str) -> Workspace:
    # Made at first use, so that an emptied database needs no other care. Of several
    # processes that are first, the unique index lets one insert; all find that row.
    if workspace := Workspace.objects.filter(kind=kind).first():
        return workspace
    with transaction.atomic():
        new = Workspace(kind=kind, name=name)
        Workspace.objects.bulk_create([new], ignore_conflicts=True)
        workspace = Workspace.objects.get(kind=kind)
        if workspace.pk == new.pk:
            lifecycle.opened(workspace)
        return workspace


def owner_addresses(workspace_id: uuid.UUID) -> QuerySet[Membership, str]:
    """Return where mail about a workspace goes: to its owners who can still log in."""
    owners = Membership.objects.owners().filter(workspace=workspace_id)
    return owners.filter(user__is_active=True).values_list("user__email", flat=True)


def membership_of(user: User, wanted: str | None = None) -> Membership:
    """Return `user`'s membership of the workspace `wanted`, an id, or of the personal one.

    The workspace comes with it, in one query.

    Raises:
        NotFound: there is no such workspace, or the user is no member of it.
    """
    memberships = Membership.objects.for_user(user)
    if wanted is None:
        memberships = memberships.filter(workspace__kind=Workspace.Kind.PERSONAL)
    else:
        try:
            memberships = memberships.filter(workspace=uuid.UUID(wanted))
        except ValueError as error:
            raise NotFound from error
    if membership := memberships.order_by("pk").first():
        return membership
    raise NotFound


def usable_memberships(user: User) -> QuerySet[Membership]:
    """Return `user`'s memberships of workspaces that they can act in, the oldest first."""
    return Membership.objects.for_user(user).usable().order_by("workspace")
