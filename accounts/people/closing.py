"""Close accounts: hide them at once, reopen them within 7 days, purge them afterwards.

A login within 7 days reopens the account with everything in it. After that, the email
address is free for a new user, and a purge deletes the data step by step. It may be
interrupted anywhere, and the next run continues. The ledger stays, in a workspace without a
name, and so does the anonymous record of the sign-up grant (`accounts.people.welcome`).
"""

import logging
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import lifecycle, sessions
from accounts.errors import OperatorStays, WorkspaceInUse
from accounts.models import (
    ApiToken,
    Invitation,
    LoginChallenge,
    Membership,
    User,
    Workspace,
)
from accounts.people.exports import folder_of
from kit.db.transactions import needs_transaction, one_transaction
from kit.files.storage import delete_tree
from kit.mail import outbox
from kit.models import Mail

KEPT_FOR = timedelta(days=7)
"""How long a closed account or workspace can be reopened."""
_MOST = 100  # accounts, and workspaces, that are purged in one run
_NAME = "Closed workspace"
_RELEASED = "@closed.invalid"  # RFC 6761 §6.4: mail is never delivered there

logger = logging.getLogger(__name__)


@needs_transaction
def close(user: User) -> datetime:
    """Close an account and the workspaces that it owns; return when it will be purged.

    Logins end, tokens are refused, and running work is canceled. Safe to repeat.

    Raises:
        OperatorStays: the user is an operator.
        WorkspaceInUse: the user owns workspaces with other members.
    """
    # Lock workspaces before users, in the same order as all code that changes members.
    _lock_workspaces(user.memberships.values_list("workspace", flat=True))
    account = User.objects.select_for_update().get(pk=user.pk)
    if account.is_staff:
        raise OperatorStays
    if account.closed_at is not None:
        return account.closed_at + KEPT_FOR
    owned = _owned_workspaces(account)
    if names := [name for name, is_shared in owned.values() if is_shared]:
        raise WorkspaceInUse(names=", ".join(names))
    account.closed_at = user.closed_at = timezone.now()
    account.save(update_fields=["closed_at"])
    for workspace in _lock_workspaces(owned):
        close_workspace(workspace, at=account.closed_at)
    sessions.end_all(account)
    gone_at = account.closed_at + KEPT_FOR
    outbox.post(
        account.email,
        "Your account at Ozvena is closed",
        render_to_string(
            "accounts/mail/closed.txt",
            {"gone_at": gone_at, "page": settings.BASE_URL + reverse("login")},
        ),
    )
    return gone_at


@needs_transaction
def close_workspace(workspace: Workspace, *, at: datetime) -> None:
    """Mark a locked workspace as closed and cancel its work."""
    workspace.closed_at = at
    workspace.save(update_fields=["closed_at"])
    lifecycle.closed(workspace)


def is_reopenable(user: User) -> bool:
    """Return whether the account is closed and a login can still reopen it."""
    return user.closed_at is not None and not is_gone(user.closed_at)


def is_gone(closed_at: datetime | None) -> bool:
    """Return whether the time in which a closed account can be reopened is over."""
    return closed_at is not None and closed_at <= timezone.now() - KEPT_FOR


@needs_transaction
def reopen(user: User) -> None:
    """Reopen a closed account and the workspaces that were closed with it.

    Safe to repeat; does nothing if the account is open or can't be reopened any more.
    """
    if not is_reopenable(user):
        return
    # At the end of the seventh day, a sign-up may release the address at the same moment.
    # It locks the row too, so the second of both finds it changed and does nothing.
    is_open = User.objects.filter(
        pk=user.pk, email=user.email, closed_at=user.closed_at
    ).update(closed_at=None)
    if not is_open:
        return
    closed_along = Workspace.objects.owned_by(user).filter(
        closed_at=user.closed_at, purged_at=None
    )
    Workspace.objects.filter(pk__in=closed_along.values_list("pk", flat=True)).update(
        closed_at=None
    )
    user.closed_at = None
    outbox.post(
        user.email,
        "Your account at Ozvena is open again",
        render_to_string(
            "accounts/mail/reopened.txt",
            {"page": settings.BASE_URL + reverse("account-page")},
        ),
    )


@needs_transaction
def release_address(user: User) -> None:
    """Remove the email address from an account that is gone, to allow a new sign-up.

    Mails, invitations and login codes for the address are deleted. Safe to repeat.
    """
    account = User.objects.select_for_update().get(pk=user.pk)
    if not is_gone(account.closed_at):
        return
    for rows in (
        Mail.objects.filter(to=account.email),
        Invitation.objects.filter(email=account.email),
        LoginChallenge.objects.filter(email=account.email),
    ):
        rows.delete()
    account.email = f"{account.pk}{_RELEASED}"
    account.is_active = False
    account.preferences = {}
    account.save(update_fields=["email", "is_active", "preferences"])


def purge() -> int:
    """Delete the data of accounts and workspaces that are gone; return how many."""
    # Blocked users are kept: otherwise they could sign up again without the block.
    gone = User.objects.filter(
        closed_at__lt=Now() - KEPT_FOR, is_blocked=False
    ).order_by("closed_at")
    _each(gone.exclude(email__endswith=_RELEASED), _release)
    owners = Membership.objects.owners()
    blocked_owner = owners.filter(workspace=OuterRef("pk"), user__is_blocked=True)
    empty = Workspace.objects.filter(
        ~Exists(blocked_owner), closed_at__lt=Now() - KEPT_FOR, purged_at=None
    )
    count = _each(empty.order_by("closed_at"), _purge_workspace)
    unfinished = owners.filter(user=OuterRef("pk"), workspace__purged_at=None)
    finished = gone.filter(~Exists(unfinished), email__endswith=_RELEASED)
    return count + _each(finished, _remove)


def _each(rows: QuerySet[Any], run: Callable[[Any], object]) -> int:
    """Call `run` for each row, until `_MOST` calls have succeeded; return how many did.

    A failed call is logged, does not count, and does not stop the others. The next run
    tries it again.
    """
    count = 0
    for row in rows:
        if count == _MOST:
            break
        try:
            run(row)
        except Exception:
            logger.exception("%s %s could not be purged", row._meta.label, row.pk)
        else:
            count += 1
    return count


@one_transaction
def _release(user: User) -> None:
    release_address(user)


def _remove(user: User) -> None:
    delete_tree(default_storage, folder_of(user))
    user.delete()


def _purge_workspace(workspace: Workspace) -> None:
    lifecycle.purge(workspace)
    with transaction.atomic(durable=True):
        Invitation.objects.filter(workspace=workspace).delete()
        ApiToken.objects.filter(workspace=workspace).delete()
        # The owner's membership is kept until the account is deleted: the purge of
        # accounts needs it to find their workspaces.
        Membership.objects.filter(workspace=workspace).exclude(
            role=Membership.Role.OWNER
        ).delete()
        Workspace.objects.filter(pk=workspace.pk).update(name=_NAME, purged_at=Now())


def _owned_workspaces(user: User) -> dict[uuid.UUID, tuple[str, bool]]:
    """Return the open workspaces of an owner by id: name, and if it has other members."""
    others = Membership.objects.filter(
        workspace=OuterRef("pk"), user__closed_at=None
    ).exclude(user=user)
    owned = Workspace.objects.owned_by(user).filter(closed_at=None)
    rows = owned.annotate(is_shared=Exists(others))
    found = rows.order_by("pk").values_list("pk", "name", "is_shared")
    return {pk: (name, is_shared) for pk, name, is_shared in found}


def _lock_workspaces(ids: Iterable[uuid.UUID]) -> list[Workspace]:
    rows = Workspace.objects.select_for_update().filter(pk__in=list(ids))
    return list(rows.order_by("pk"))
