"""Find and decrypt the key for a call: the platform's or a workspace's own.

A key is decrypted only for a call to its provider. It is never in plain text in the
database, a task, a log, a response or an error. No transaction is open during such a call.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from accounts.models import Workspace
from kit.rotation import EncryptedColumn
from kit.secrets import CannotDecrypt, Secret, decrypt, encrypt
from kit.work import bells
from providers.catalogue import access as catalogue_access
from providers.contract.base import Access, Failure, ProviderError
from providers.errors import (
    OwnKeyRefused,
    OwnKeySuspended,
)
from providers.models import Provider, ProviderKey
from providers.models.querysets import PLATFORM, ProviderKeyQuerySet

CHECK = "providers.tasks.check_key"
LEARN = "providers.tasks.learn_voices"
QUEUE = "remote"
_OWN = "workspace:"
RING_AGAIN_AFTER = timedelta(seconds=30)
"""Ring again if no worker checked a key within this time."""


def keys_by_provider(workspace: Workspace) -> dict[str, ProviderKey]:
    """Return the own keys of `workspace` by provider, without the encrypted values."""
    rows = ProviderKey.objects.for_workspace(workspace).select_related("provider")
    return {row.provider_id: row for row in rows}


def is_suspended(row: ProviderKey) -> bool:
    """Return whether the provider's address is not the one the key was entered for."""
    return row.address != catalogue_access.base_url_for_own_keys(row.provider)


def failure_of(row: ProviderKey) -> Failure | None:
    """Return why a saved key can't be used now; None if it can."""
    if is_suspended(row):
        return Failure.OWN_KEY_SUSPENDED
    return Failure.OWN_KEY_REFUSED if row.failure else None


def require_usable(row: ProviderKey) -> None:
    """Raise an error if a saved key can't be used now.

    Raises:
        OwnKeySuspended: the provider's address has changed since it was entered.
        OwnKeyRefused: the provider rejected it.
    """
    require_same_address(row)
    if row.failure:
        raise OwnKeyRefused(provider=row.provider.name)


def require_same_address(row: ProviderKey) -> None:
    """Raise OwnKeySuspended if the address has changed since the key was entered."""
    if is_suspended(row):
        raise OwnKeySuspended(provider=row.provider.name)


def credential_of(workspace_id: UUID) -> str:
    """Return the name of a workspace's credential, the same for all providers."""
    return f"{_OWN}{workspace_id}"


def regions_of(credentials: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the regions of workspaces' own keys, by provider and credential."""
    own = {
        UUID(name.removeprefix(_OWN)) for name in credentials if name.startswith(_OWN)
    }
    if not own:
        return {}
    rows = ProviderKey.objects.filter(workspace__in=own)
    found = rows.values_list("provider", "workspace", "region")
    return {(slug, credential_of(owner)): region for slug, owner, region in found}


def access_for_credential(provider: Provider, credential: str) -> Access:
    """Return the key, address and region for calls to `provider` with a credential.

    The credential is the platform's or a workspace's own. If an own key was removed, the
    platform's key is not used instead.

    Raises:
        ProviderError: OWN_KEY_MISSING, it was removed; OWN_KEY_REFUSED or
            OWN_KEY_SUSPENDED, it can't be used.
    """
    if credential == PLATFORM:
        return catalogue_access.access_for(provider)
    row = _key_rows(provider.slug, credential).select_related("provider").first()
    if row is None:
        raise ProviderError(Failure.OWN_KEY_MISSING)
    if failure := failure_of(row):
        raise ProviderError(failure)
    try:
        return access_for_key(row)
    except CannotDecrypt as error:
        raise ProviderError(Failure.OWN_KEY_REFUSED, str(error)) from error


@contextmanager
def reporting_bad_key(slug: str, credential: str) -> Iterator[None]:
    """Raise BAD_KEY of the block as OWN_KEY_REFUSED for an own key, and queue its check.

    The check decides whether the key is invalid: the vendor may have rejected only the
    voice or the region.
    """
    try:
        yield
    except ProviderError as error:
        if credential == PLATFORM or error.kind is not Failure.BAD_KEY:
            raise
        rejected = _key_rows(slug, credential)
        rejected.update(due_at=Now() + RING_AGAIN_AFTER)
        for key_id in rejected.values_list("pk", flat=True):
            bells.ring(CHECK, QUEUE, args=[str(key_id)])
        raise ProviderError(Failure.OWN_KEY_REFUSED, str(error)) from error


def _key_rows(slug: str, credential: str) -> ProviderKeyQuerySet:
    workspace_id = UUID(credential.removeprefix(_OWN))
    return ProviderKey.objects.filter(workspace=workspace_id, provider=slug)


def encrypt_key(key: Secret, workspace_id: UUID, slug: str) -> bytes:
    """Encrypt a key so that it can be decrypted only in that workspace's row."""
    return encrypt(key, context=_context(workspace_id, slug))


def access_for_key(row: ProviderKey) -> Access:
    """Return the access for a saved key, decrypted.

    Raises:
        CannotDecrypt: the key can't be decrypted.
        ProviderError: OWN_KEY_SUSPENDED, it was entered for another address.
    """
    address = catalogue_access.base_url_for_own_keys(row.provider)
    if row.address != address:
        raise ProviderError(Failure.OWN_KEY_SUSPENDED)
    context = _context(row.workspace_id, row.provider_id)
    key = decrypt(row.encrypted_key, context=context)
    return access_for_secret(key, address, row.region)


def access_for_secret(key: Secret, address: str, region: str) -> Access:
    """Return the access for calls with `key` to an address in `region`."""
    return Access(key.reveal_text(), address, region)


def _context(workspace_id: UUID, slug: str) -> str:
    """Return the associated data that binds an encrypted key to its row."""
    return f"providers_providerkey:{workspace_id}:{slug}:key"


ENCRYPTED_COLUMNS = [
    EncryptedColumn(
        ProviderKey,
        "encrypted_key",
        lambda row: _context(row.workspace_id, row.provider_id),
    )
]
