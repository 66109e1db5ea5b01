"""Save, check and remove a workspace's own keys, on a member's request."""

import logging

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.caller import Caller
from accounts.roles import Permission, require_permission
from kit import quotas
from kit.db.transactions import one_transaction
from kit.errors import Invalid, NotFound, RateLimited
from kit.requests import client_network
from kit.secrets import Secret
from kit.work import bells
from providers.catalogue.access import base_url_for_own_keys
from providers.contract.base import Access, KeyStatus, ProviderError
from providers.contract.registry import get_adapter
from providers.errors import (
    InvalidProviderKey,
    KeyNotChecked,
    OwnKeyNotTaken,
    UnknownProvider,
)
from providers.keys.checking import CHECK_FIELDS, check, key_status
from providers.keys.using import (
    LEARN,
    QUEUE,
    RING_AGAIN_AFTER,
    access_for_secret,
    encrypt_key,
    require_same_address,
)
from providers.models import Provider, ProviderKey

logger = logging.getLogger(__name__)


_QUOTA = "provider_key"
_MIN_LENGTH = 12  # characters, of which four are shown
_MAX_LENGTH = 4_400  # characters; Polly's may include a session token
_SAVED_FIELDS = [
    *("encrypted_key", "last4", "region", "address"),
    *("due_at", "created_by"),
]


def save(caller: Caller, slug: str, key: Secret, *, region: str = "") -> ProviderKey:
    """Check a key with its provider, then save it in place of the workspace's old one.

    Raises:
        NotAllowed: the member lacks the permission.
        UnknownProvider: no available provider has this slug.
        OwnKeyNotTaken: the provider accepts no own keys.
        Invalid: the key is malformed or the region unknown; the provider was not called.
        RateLimited: too many keys were checked today.
        InvalidProviderKey: the provider rejects the key.
        KeyNotChecked: the provider doesn't answer; the old key stays.
    """
    require_permission(caller.member_role, Permission.MANAGE_KEYS)
    provider = _provider_with_own_keys(slug)
    _validate(provider, key, region)
    _count_check(caller)
    address = base_url_for_own_keys(provider)
    status = _check_new_key(provider, access_for_secret(key, address, region))
    now = timezone.now()
    adds_voices = not get_adapter(slug).has_voice_table
    row = ProviderKey(
        workspace=caller.workspace,
        provider=provider,
        encrypted_key=encrypt_key(key, caller.workspace.pk, slug),
        last4=key.reveal_text()[-4:],
        region=region,
        address=address,
        status=status,
        checked_at=now,
        due_at=now + RING_AGAIN_AFTER if adds_voices else None,
        failure="",
        failed_at=None,
        created_by=caller.user,
    )
    with transaction.atomic(durable=True):
        # One statement: of two concurrent saves the later one wins, with all its fields.
        ProviderKey.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["workspace", "provider"],
            update_fields=[*CHECK_FIELDS, *_SAVED_FIELDS],
        )
        row = ProviderKey.objects.for_workspace(caller.workspace).get(provider=provider)
        if adds_voices:
            bells.ring_on_commit(LEARN, QUEUE, args=[str(row.pk)])
    return row


def remove(caller: Caller, slug: str) -> None:
    """Delete a workspace's own key. Scenes that wait for it fail and cost nothing.

    Raises:
        NotAllowed: the member lacks the permission.
        NotFound: the workspace has no key for this provider.
    """
    require_permission(caller.member_role, Permission.MANAGE_KEYS)
    mine = ProviderKey.objects.for_workspace(caller.workspace)
    row = mine.filter(provider=slug).first()
    if row is None:
        raise NotFound
    delete(row)


def delete(row: ProviderKey) -> None:
    """Delete a key; safe to repeat."""
    ProviderKey.objects.filter(pk=row.pk).delete()


def check_again(caller: Caller, slug: str) -> ProviderKey:
    """Check a saved key with its provider, store the result and return the key.

    Raises:
        NotAllowed: the member lacks the permission.
        NotFound: the workspace has no key for this provider.
        OwnKeySuspended: it was entered for another address.
        RateLimited: too many keys were checked today.
        KeyNotChecked: the provider doesn't answer; nothing is changed.
    """
    require_permission(caller.member_role, Permission.MANAGE_KEYS)
    mine = ProviderKey.objects.for_workspace(caller.workspace)
    row = mine.filter(provider=slug).select_related("provider").first()
    if row is None:
        raise NotFound
    require_same_address(row)
    _count_check(caller)
    try:
        check(row)
    except ProviderKey.DoesNotExist as error:  # removed during the check
        raise NotFound from error
    except ProviderError as error:
        raise KeyNotChecked(provider=row.provider.name) from error
    return row


def _provider_with_own_keys(slug: str) -> Provider:
    """Return the available provider `slug` if it accepts own keys; raise otherwise."""
    provider = Provider.objects.on_offer().filter(slug=slug).first()
    if provider is None:
        raise UnknownProvider(provider=slug)
    if not get_adapter(slug).own_key:
        raise OwnKeyNotTaken(provider=provider.name)
    return provider


def _validate(provider: Provider, key: Secret, region: str) -> None:
    """Raise Invalid unless key and region are well formed; calls nobody."""
    wrong: dict[str, object] = {}
    text = key.reveal().decode(errors="replace")
    if not _MIN_LENGTH <= len(text) <= _MAX_LENGTH:
        wrong["key"] = [f"A key has {_MIN_LENGTH} to {_MAX_LENGTH} characters."]
    elif not (text.isascii() and text.isprintable()) or " " in text:
        wrong["key"] = ["A key has no spaces, line breaks or letters beyond ASCII."]
    regions = get_adapter(provider.slug).regions
    if region not in regions:
        named = ", ".join(sorted(filter(None, regions))) or "none"
        wrong["region"] = [f"{provider.name} has these regions: {named}."]
    if wrong:
        raise Invalid(wrong)


@one_transaction
def _count_check(caller: Caller) -> None:
    """Count one check, or raise RateLimited.

    Without a limit, anyone could test stolen keys here.
    """
    limit = settings.PROVIDER_KEY_CHECKS
    subjects = [(caller.subject, limit)]
    if caller.address:
        subjects.append((client_network(caller.address), 3 * limit))
    for subject, most in subjects:
        if not quotas.take(_QUOTA, subject, limit=most, period=quotas.today()):
            raise RateLimited(retry_after=quotas.seconds_left_today())


def _check_new_key(provider: Provider, access: Access) -> KeyStatus:
    """Return the status of a new key; raise the errors of `save`."""
    try:
        status = key_status(provider, access)
    except ProviderError as error:
        logger.warning("a new key for %s can't be checked: %s", provider.slug, error)
        raise KeyNotChecked(provider=provider.name) from error
    if status is None:
        raise InvalidProviderKey(provider=provider.name)
    return status
