"""Signatures by the Standard Webhooks specification 1.0.0, and the secrets they need.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hashlib
import hmac
import secrets
import uuid
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.utils import timezone

from kit.db.transactions import needs_transaction
from kit.rotation import EncryptedColumn
from kit.secrets import Secret, decrypt, encrypt
from webhooks.errors import RotationInProgress
from webhooks.models import DefaultSigner, Endpoint, Signer

PREFIX = "whsec_"
OVERLAP = timedelta(hours=24)
"""How long the secret before a rotation signs besides the new one."""


def sign(
    keys: Sequence[Secret], *, event_id: uuid.UUID, timestamp: int, body: bytes
) -> str:
    """Return the value of `webhook-signature`: one signature for each of `keys`.

    `timestamp` is the attempt's, in seconds of Unix time.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_hmac(key, signed)}" for key in keys)


def _hmac(key: Secret, signed: bytes) -> str:
    raw = b64decode(key.reveal_text().removeprefix(PREFIX))
    return b64encode(hmac.digest(raw, signed, hashlib.sha256)).decode()


def new_secret() -> Secret:
    """Return a new secret: 32 bytes in standard base64, which all libraries decode."""
    return Secret(PREFIX + b64encode(secrets.token_bytes(32)).decode())


def give_secret(signer: Signer, secret: Secret) -> None:
    """Put a secret into a row that the caller saves."""
    signer.secret = encrypt(secret, context=_context(signer, "secret"))


def secret_of(signer: Signer) -> Secret:
    """Return the secret in use."""
    return decrypt(signer.secret, context=_context(signer, "secret"))


def keys_of(signer: Signer) -> list[Secret]:
    """Return what signs now: the secret, and after a rotation the one before it."""
    keys = [secret_of(signer)]
    if signer.has_two_secrets:
        assert signer.old_secret is not None
        keys.append(decrypt(signer.old_secret, context=_context(signer, "old_secret")))
    return keys


def rotate(signer: Signer) -> Secret:
    """Give a locked row a new secret and return it; the old one signs for 24 h more.

    Raises:
        RotationInProgress: the last rotation was less than 24 h ago.
    """
    if signer.has_two_secrets:
        assert signer.old_secret_until is not None
        raise RotationInProgress(
            until=signer.old_secret_until.isoformat(timespec="seconds")
        )
    signer.old_secret = encrypt(
        secret_of(signer), context=_context(signer, "old_secret")
    )
    signer.old_secret_until = timezone.now() + OVERLAP
    secret = new_secret()
    give_secret(signer, secret)
    signer.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return secret


def default_signer(workspace_id: uuid.UUID) -> DefaultSigner:
    """Return what signs events to a job's own address, made at first use."""
    if signer := DefaultSigner.objects.filter(pk=workspace_id).first():
        return signer
    signer = DefaultSigner(workspace_id=workspace_id)
    give_secret(signer, new_secret())
    # Of several that are first, one inserts; all read what it has inserted.
    DefaultSigner.objects.bulk_create([signer], ignore_conflicts=True)
    return DefaultSigner.objects.get(pk=workspace_id)


@needs_transaction
def rotate_default(workspace_id: uuid.UUID) -> DefaultSigner:
    """Change what signs events to jobs' own addresses, as for an endpoint.

    Raises:
        RotationInProgress: the last rotation was less than 24 h ago.
    """
    signer = default_signer(workspace_id)
    signer = DefaultSigner.objects.select_for_update().get(pk=signer.pk)
    rotate(signer)
    return signer


def _context(signer: Signer, column: str) -> str:
    return f"{signer._meta.label_lower}/{signer.pk}/{column}"


ENCRYPTED_COLUMNS = [
    EncryptedColumn(model, column, partial(_context, column=column))
    for model in (Endpoint, DefaultSigner)
    for column in ("secret", "old_secret")
]
