"""Customers of the mobile app: find them, or make them known, by RevenueCat's IDs.

A customer has an original ID and aliases, and one workspace for all of them.
"""

import uuid
from collections.abc import Sequence

from django.db import connection
from django.db.models.functions import Now

from accounts import lifecycle
from accounts.models import Workspace
from billing.models import InboxEvent, MobileCustomer, MobileCustomerId
from billing.payments.gateways.contract import Unprocessable
from kit.db.transactions import needs_transaction, one_transaction

LONGEST_ID = 200  # characters
_LOCK = 0x6F7A_6D63  # advisory lock of new customers


def find(ids: Sequence[str]) -> Workspace | None:
    """Return the workspace that RevenueCat's IDs mean; the first that is known counts.

    An ID is that of a workspace, if the app logs its users in with it, or a customer's.
    """
    ids = _usable(ids)
    named = [uuid.UUID(one) for one in ids if is_uuid(one)]
    of_users = Workspace.objects.filter(pk__in=named).exclude(
        kind__in=[Workspace.Kind.GUESTS, Workspace.Kind.OPERATORS]
    )
    workspaces = {str(row.pk): row for row in of_users} if named else {}
    customers = {
        row.pk: row.customer.workspace
        for row in MobileCustomerId.objects.filter(
            pk__in=ids, customer__isnull=False
        ).select_related("customer__workspace")
        if row.customer
    }
    for one in ids:
        if found := workspaces.get(one.lower()) or customers.get(one):
            return found
    return None


def introduce(ids: Sequence[str]) -> Workspace:
    """Return the workspace that a webhook's IDs mean, a new customer's if none is known.

    The other IDs are aliases of the customer from then on.

    Raises:
        Unprocessable: there is no usable ID.
    """
    usable = _usable(ids)
    if not usable:
        raise Unprocessable("It names no customer.")
    found = find(usable)
    if found is not None and (
        found.kind != Workspace.Kind.MOBILE or str(found.pk) in usable
    ):
        return found  # the ID of a workspace is no credential
    return _open_now(usable).workspace


def with_ids(ids: Sequence[str]) -> MobileCustomer | None:
    """Return the customer with the first of the IDs that is known."""
    rows = MobileCustomerId.objects.filter(pk__in=ids, customer__isnull=False)
    found = {row.pk: row.customer for row in rows.select_related("customer__workspace")}
    return next((found[one] for one in ids if one in found), None)


@needs_transaction
def lock_new() -> None:
    """Let one transaction at a time add customers and their IDs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


@needs_transaction
def open_workspace(ids: Sequence[str]) -> MobileCustomer:
    """Return the customer with one of the IDs, or a new one; all IDs are its own then.

    An ID that belongs to another customer stays with it.
    """
    lock_new()
    customer = with_ids(ids)
    if customer is None:
        workspace = Workspace.objects.create(
            name="Mobile customer", kind=Workspace.Kind.MOBILE
        )
        customer = MobileCustomer.objects.create(
            workspace=workspace, customer_id=ids[0]
        )
        lifecycle.opened(workspace)
    named = [MobileCustomerId(id=one, customer=customer) for one in dict.fromkeys(ids)]
    MobileCustomerId.objects.bulk_create(named, ignore_conflicts=True)
    MobileCustomerId.objects.filter(pk__in=ids, customer=None).update(customer=customer)
    # A transfer may have named the customer before we knew it.
    InboxEvent.objects.filter(
        waits_for__in=ids, status=InboxEvent.Status.QUEUED
    ).update(ready_at=Now())
    return customer


@one_transaction
def _open_now(ids: Sequence[str]) -> MobileCustomer:
    return open_workspace(ids)


def id_of(workspace: Workspace) -> str:
    """Return the ID under which customers know a workspace: its own, or the app's."""
    if workspace.kind == Workspace.Kind.MOBILE:
        rows = MobileCustomer.objects.filter(pk=workspace.pk)
        return rows.values_list("customer_id", flat=True).get()
    return str(workspace.pk)


def _usable(ids: Sequence[str]) -> list[str]:
    """Return the IDs that can be stored, each once."""
    return [
        one
        for one in dict.fromkeys(ids)
        if 0 < len(one) <= LONGEST_ID and one.isprintable()
    ]


def is_uuid(text: str) -> bool:
    """Return whether an ID is a UUID, as those of workspaces are."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
