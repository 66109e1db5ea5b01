"""Check workspaces' own keys with their providers, on demand and by schedule."""

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
"""The age of a key's last check after which the nightly one checks it again."""
_MAX_UNANSWERED = 3
"""After so many consecutive keys without an answer, the rest of a region is skipped."""
_ACCOUNT_FAILURES = {Failure.RATE_LIMITED, Failure.BUSY, Failure.OWN_KEY_SUSPENDED}


def check(row: ProviderKey) -> None:
    """Check a saved key with its provider and store the result.

    The owner gets a mail when the key turns invalid. Safe to repeat. A key that was
    replaced during the check is not changed.

    Raises:
        ProviderError: the provider doesn't answer, or the key is suspended, as it was
            entered for another address; nothing is changed.
    """
    row.refresh_from_db()
    checked = bytes(row.encrypted_key)
    try:
        status = key_status(row.provider, access_for_key(row))
    except CannotDecrypt:
        logger.exception("a workspace's own key can't be decrypted")
        return
    now = timezone.now()
    row.status = status or KeyStatus.UNKNOWN
    row.failure = "" if status else Failure.BAD_KEY
    failed_at = None if status else row.failed_at or now
    row.checked_at, row.failed_at = now, failed_at
    with transaction.atomic(durable=True):
        same = ProviderKey.objects.select_for_update(of=("self",)).filter(
            pk=row.pk, encrypted_key=checked
        )
        before = same.values_list("failure", flat=True).first()
        same.update(**{name: getattr(row, name) for name in CHECK_FIELDS})
        if before == "" and row.failure:
            _notify_owner(row)


def check_all() -> int:
    """Check all keys that were not checked today; return how many were checked.

    Keys whose last attempt is oldest come first. If several keys of a region get no answer,
    this run skips the rest of the region. An account's rate limit and a suspended key are
    not counted as such, since they say nothing about other accounts. After a killed run the
    next one continues.
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
            continue  # it was just removed
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
    """Ring again for keys that no worker has checked yet."""
    due = ProviderKey.objects.filter(due_at__lte=Now())
    for key_id in due.order_by("due_at").values_list("pk", flat=True)[: bells.MOST]:
        # Another dispatcher may have done it already.
        if due.filter(pk=key_id).update(due_at=Now() + RING_AGAIN_AFTER):
            bells.ring(CHECK, QUEUE, args=[str(key_id)])


def check_one(key_id: UUID) -> None:
    """Check a key after its provider rejected a call, and add voices that it can list."""
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
    """Add the public voices that a key can list, unless they can be listed without it."""
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
        logger.warning(
            "can't list the voices of %s with an own key: %s", row.provider_id, error
        )
    else:
        logger.info(
            "listed the voices of %s with an own key: %s", row.provider_id, changes
        )


def _row(key_id: UUID) -> ProviderKey | None:
    rows = ProviderKey.objects.select_related("provider")
    is_open = {"workspace__is_blocked": False, "workspace__closed_at": None}
    return rows.filter(pk=key_id, **is_open).first()


def key_status(provider: Provider, access: Access) -> KeyStatus | None:
    """Return the status of a key by its provider's check; None if it is rejected.

    Raises:
        ProviderError: the provider doesn't answer.
    """
    connections.give_back()
    try:
        return get_adapter(provider.slug).check(access)
    except ProviderError as error:
        if error.kind is Failure.BAD_KEY:
            return None
        if error.kind.is_retryable:
            raise
        logger.warning(
            "%s doesn't say whether a key is valid: %s", provider.slug, error
        )
        return KeyStatus.UNKNOWN  # for example, the account has no credit


def _notify_owner(row: ProviderKey) -> None:
    """Mail the owner that a key was rejected, in the transaction that stores it."""
    context = {
        "provider": row.provider.name,
        "last4": row.last4,
        "workspace": Workspace.objects.get(pk=row.workspace_id).name,
        "url": f"{settings.BASE_URL}{reverse('provider-keys-page')}",
    }
    text = render_to_string("providers/mail/key_refused.txt", context)
    for email in owner_addresses(row.workspace_id):
        outbox.post(email, f"{row.provider.name} rejected your key", text)
