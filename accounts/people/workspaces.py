"""Find workspaces: the two built-in ones, and those of a user."""

import uuid

from django.db import transaction
from django.db.models import QuerySet

from accounts import lifecycle
from accounts.models import Membership, User, Workspace
from kit.errors import NotFound


def guests() -> Workspace:
    """Return the workspace of all visitors without an account; create it if missing."""
    return _built_in(Workspace.Kind.GUESTS, "Guests")


def operators() -> Workspace:
    """Return the workspace of ADMIN_ACCESS_KEY; create it if missing."""
    return _built_in(Workspace.Kind.OPERATORS, "Operators")


def _built_in(kind: Workspace.Kind, name: str) -> Workspace:
    # Created at first use, so an empty database needs no setup. If several processes are
    # first, the unique index allows one insert, and all of them find that row.
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
    """Return the email addresses of a workspace's owners who can still log in."""
    owners = Membership.objects.owners().filter(workspace=workspace_id)
    return owners.filter(user__is_active=True).values_list("user__email", flat=True)


def membership_of(user: User, wanted: str | None = None) -> Membership:
    """Return the membership in the workspace with the id `wanted`, or in the personal one.

    The workspace is loaded with it, in one query.

    Raises:
        NotFound: there is no such workspace, or the user is not a member.
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
    """Return the memberships in open workspaces that are not blocked, oldest first."""
    return Membership.objects.for_user(user).usable().order_by("workspace")
