"""Using a workspace's own keys: whose key calls a provider, and opening it.

A key is in the clear while its provider is called with it, and nowhere else: not in the
database, a task, a log, an answer or an error. No transaction is open during such a call.
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
)
from providers.models import Provider, ProviderKey
from providers.models.querysets import PLATFORM, ProviderKeyQuerySet

CHECK = "providers.tasks.check_key"
LEARN = "providers.tasks.learn_voices"
QUEUE = "remote"
_OWN = "workspace:"
RING_AGAIN_AFTER = timedelta(seconds=30)
"""How long a bell for a key is waited for before it is rung again."""


def keys_by_provider(workspace: Workspace) -> dict[str, ProviderKey]:
    """Return the keys of `workspace` by their providers, without the encrypted values."""
    rows = ProviderKey.objects.for_workspace(workspace).select_related("provider")
    return {row.provider_id: row for row in rows}


def require_usable(row: ProviderKey) -> None:
    """Let a key pass that its provider has not refused.

    Raises:
        OwnKeyRefused: it has.
    """
    if row.failure:
        raise OwnKeyRefused(provider=row.provider.name)


def credential_of(workspace_id: UUID) -> str:
    """Return the credential that a workspace's own keys are, for any provider."""
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
    """Return how `provider` is called with a credential, now: ours, or a workspace's own.

    Ours never stands in for one that is gone.

    Raises:
        ProviderError: OWN_KEY_MISSING, it was removed; OWN_KEY_REFUSED, it can't be used.
    """
    if credential == PLATFORM:
        return catalogue_access.access_for(provider)
    row = _key_rows(provider.slug, credential).select_related("provider").first()
    if row is None:
        raise ProviderError(Failure.OWN_KEY_MISSING)
    if row.failure:
        raise ProviderError(Failure.OWN_KEY_REFUSED)
    try:
        return access_for_key(row)
    except CannotDecrypt as error:
        raise ProviderError(Failure.OWN_KEY_REFUSED, str(error)) from error


@contextmanager
def reporting_bad_key(slug: str, credential: str) -> Iterator[None]:
    """Say of a workspace's own key that it was refused, and have it checked soon.

    A refusal may be about a voice or a place alone, so it is the check that decides.
    """
    try:
        yield
    except ProviderError as error:
        if credential == PLATFORM or error.kind is not Failure.BAD_KEY:
            raise
        doubted = _key_rows(slug, credential)
        doubted.update(due_at=Now() + RING_AGAIN_AFTER)
        for key_id in doubted.values_list("pk", flat=True):
            bells.ring(CHECK, QUEUE, args=[str(key_id)])
        raise ProviderError(Failure.OWN_KEY_REFUSED, str(error)) from error


def _key_rows(slug: str, credential: str) -> ProviderKeyQuerySet:
    workspace_id = UUID(credential.removeprefix(_OWN))
    return ProviderKey.objects.filter(workspace=workspace_id, provider=slug)


def encrypt_key(key: Secret, workspace_id: UUID, slug: str) -> bytes:
    """Return a key encrypted: it can be decrypted in that workspace's row alone."""
    return encrypt(key, context=_context(workspace_id, slug))


def access_for_key(row: ProviderKey) -> Access:
    """Return how a provider is called with a kept key, decrypted.

    Raises:
        CannotDecrypt: the key can't be decrypted.
    """
    context = _context(row.workspace_id, row.provider_id)
    key = decrypt(row.sealed_key, context=context)
    return access_for_secret(row.provider, key, row.region)


def access_for_secret(provider: Provider, key: Secret, region: str) -> Access:
    """Return how `provider` is called with `key`."""
    return Access(key.reveal_text(), catalogue_access.base_url_of(provider), region)


def _context(workspace_id: UUID, slug: str) -> str:
    """Return what a key is bound to: there is one row for it."""
    return f"providers_providerkey:{workspace_id}:{slug}:key"


ENCRYPTED_COLUMNS = [
    EncryptedColumn(
        ProviderKey,
        "sealed_key",
        lambda row: _context(row.workspace_id, row.provider_id),
    )
]
