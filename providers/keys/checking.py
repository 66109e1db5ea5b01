"""Checking a workspace's own keys with their providers, now and by the calendar."""

import logging
from collections import Counter
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import Workspace
from accounts.people.workspaces import owner_addresses
from kit.db import connections
from kit.mail import outbox
from kit.secrets import CannotDecrypt
from kit.work import bells
from providers.catalogue import access as catalogue_access
from providers.catalogue import sync
from providers.contract.base import Access, Failure, KeyStatus, ProviderError
from providers.contract.registry import get_adapter
from providers.keys.using import CHECK, QUEUE, RING_AGAIN_AFTER, access_for_key
from providers.models import Provider, ProviderKey

logger = logging.getLogger(__name__)


CHECK_FIELDS = ["status", "checked_at", "failure", "failed_at"]
_CHECK_INTERVAL = timedelta(hours=20)
"""How old the last check of a key is when the nightly one looks at it again."""
_MAX_UNANSWERED = 3
"""Keys of one region in a row that get no answer before the rest are left for the night."""
_ACCOUNT_FAILURES = {Failure.RATE_LIMITED, Failure.BUSY}


def check(row: ProviderKey) -> None:
    """Ask the provider about a kept key; note what it says, and tell the owner bad news.

    Harmless to repeat. A key that was replaced meanwhile is left alone.

    Raises:
        ProviderError: the provider doesn't answer; nothing is changed.
    """
    row.refresh_from_db()
    checked = bytes(row.sealed_key)
    try:
        status = key_status(row.provider, access_for_key(row))
    except CannotDecrypt:
        logger.exception("a key of a workspace can't be opened")
        return
    now = timezone.now()
    row.status = status or KeyStatus.UNKNOWN
    row.failure = "" if status else Failure.BAD_KEY
    failed_at = None if status else row.failed_at or now
    row.checked_at, row.failed_at = now, failed_at
    with transaction.atomic(durable=True):
        same = ProviderKey.objects.select_for_update(of=("self",)).filter(
            pk=row.pk, sealed_key=checked
        )
        before = same.values_list("failure", flat=True).first()
        same.update(**{name: getattr(row, name) for name in CHECK_FIELDS})
        if before == "" and row.failure:
            _notify_owner(row)


def check_all() -> int:
    """Check every key that was not looked at today; return how many were.

    Those go first whose turn was longest ago, whatever came of it. Where several keys of a
    region get no answer, its others are not asked in this run; an account that is asked
    too much stands for itself alone. A run that is killed is gone on with by the next.
    """
    due = ProviderKey.objects.filter(checked_at__lt=Now() - _CHECK_INTERVAL)
    turns = due.order_by(F("tried_at").asc(nulls_first=True), "checked_at")
    unanswered: Counter[tuple[str, str]] = Counter()
    learned: set[str] = set()
    count = 0
    for key_id in list(turns.values_list("pk", flat=True)):
        row = _row(key_id)
        if row is None or unanswered[row.provider_id, row.region] >= _MAX_UNANSWERED:
            continue
        ProviderKey.objects.filter(pk=key_id).update(tried_at=Now())
        try:
            check(row)
        except ProviderKey.DoesNotExist:
            continue  # it has just been removed
        except ProviderError as error:
            logger.warning("a key of %s can't be checked: %s", row.provider_id, error)
            if error.kind not in _ACCOUNT_FAILURES:
                unanswered[row.provider_id, row.region] += 1
        else:
            count += 1
            unanswered[row.provider_id, row.region] = 0
            if not row.failure and row.provider_id not in learned:
                learned.add(row.provider_id)
                learn_voices(key_id)
    return count


def sweep() -> None:
    """Ring again for the keys that no worker has come to look at."""
    due = ProviderKey.objects.filter(due_at__lte=Now())
    for key_id in due.order_by("due_at").values_list("pk", flat=True)[: bells.MOST]:
        # Another dispatcher may be quicker.
        if due.filter(pk=key_id).update(due_at=Now() + RING_AGAIN_AFTER):
            bells.ring(CHECK, QUEUE, args=[str(key_id)])


def check_one(key_id: UUID) -> None:
    """Check a key that gave reason to doubt it, and see which voices it can list."""
    try:
        row = _row(key_id)
        if row is not None:
            check(row)
            _add_voices(row)
    except ProviderKey.DoesNotExist:
        return
    except ProviderError as error:
        logger.warning("a key can't be checked: %s", error)
    finally:
        _clear_due(key_id)


def learn_voices(key_id: UUID) -> None:
    """Add the public voices that a key can list, if nobody else here can list them."""
    try:
        if (row := _row(key_id)) is not None:
            _add_voices(row)
    finally:
        _clear_due(key_id)


def _clear_due(key_id: UUID) -> None:
    ProviderKey.objects.filter(pk=key_id).update(due_at=None)


def _add_voices(row: ProviderKey) -> None:
    has_table = get_adapter(row.provider_id).has_voice_table
    if row.failure or has_table or catalogue_access.is_available(row.provider):
        return
    try:
        access = access_for_key(row)
        connections.give_back()
        changes = sync.add_public_voices(row.provider, access)
    except (ProviderError, CannotDecrypt) as error:
        logger.warning("no voices of %s by an own key: %s", row.provider_id, error)
    else:
        logger.info("voices of %s by an own key: %s", row.provider_id, changes)


def _row(key_id: UUID) -> ProviderKey | None:
    rows = ProviderKey.objects.select_related("provider")
    is_open = {"workspace__is_blocked": False, "workspace__closed_at": None}
    return rows.filter(pk=key_id, **is_open).first()


def key_status(provider: Provider, access: Access) -> KeyStatus | None:
    """Return what a provider says of a key; None if it refuses it.

    Raises:
        ProviderError: it doesn't answer.
    """
    connections.give_back()
    try:
        return get_adapter(provider.slug).check(access)
    except ProviderError as error:
        if error.kind is Failure.BAD_KEY:
            return None
        if error.kind.is_retryable:
            raise
        logger.warning("%s says nothing of a key: %s", provider.slug, error)
        return KeyStatus.UNKNOWN  # out of credit, say


def _notify_owner(row: ProviderKey) -> None:
    """Mail the owner, with the row that says so, that a key is of no use any more."""
    context = {
        "provider": row.provider.name,
        "last4": row.last4,
        "workspace": Workspace.objects.get(pk=row.workspace_id).name,
        "url": f"{settings.BASE_URL}{reverse('provider-keys-page')}",
    }
    text = render_to_string("providers/mail/key_refused.txt", context)
    for email in owner_addresses(row.workspace_id):
        outbox.post(email, f"{row.provider.name} refuses your key", text)
