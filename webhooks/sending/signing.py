"""Sign events by the Standard Webhooks specification 1.0.0; create and rotate secrets.

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
"""How long the old secret signs too after a rotation."""


def sign(
    keys: Sequence[Secret], *, event_id: uuid.UUID, timestamp: int, body: bytes
) -> str:
    """Return the value of `webhook-signature`: one signature for each of `keys`.

    `timestamp` is the time of the attempt, in seconds of Unix time.
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_hmac(key, signed)}" for key in keys)


def _hmac(key: Secret, signed: bytes) -> str:
    raw = b64decode(key.reveal_text().removeprefix(PREFIX))
    return b64encode(hmac.digest(raw, signed, hashlib.sha256)).decode()


def new_secret() -> Secret:
    """Generate a secret: 32 random bytes in standard base64, which all libraries decode."""
    return Secret(PREFIX + b64encode(secrets.token_bytes(32)).decode())


def set_secret(signer: Signer, secret: Secret) -> None:
    """Encrypt a secret into a row; the caller saves it."""
    signer.secret = encrypt(secret, context=_context(signer, "secret"))


def secret_of(signer: Signer) -> Secret:
    """Decrypt and return the current secret."""
    return decrypt(signer.secret, context=_context(signer, "secret"))


def keys_of(signer: Signer) -> list[Secret]:
    """Return the secrets that sign now: the current, and after a rotation the old one."""
    keys = [secret_of(signer)]
    if signer.has_two_secrets:
        assert signer.old_secret is not None
        keys.append(decrypt(signer.old_secret, context=_context(signer, "old_secret")))
    return keys


def rotate(signer: Signer) -> Secret:
    """Give a locked row a new secret and return it; the old one signs for 24 more hours.

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
    set_secret(signer, secret)
    signer.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return secret


def default_signer(workspace_id: uuid.UUID) -> DefaultSigner:
    """Return the default secret's row of a workspace; create it at first use."""
    if signer := DefaultSigner.objects.filter(pk=workspace_id).first():
        return signer
    signer = DefaultSigner(workspace_id=workspace_id)
    set_secret(signer, new_secret())
    # Of several parallel calls one inserts; all read the row that was inserted.
    DefaultSigner.objects.bulk_create([signer], ignore_conflicts=True)
    return DefaultSigner.objects.get(pk=workspace_id)


@needs_transaction
def rotate_default(workspace_id: uuid.UUID) -> DefaultSigner:
    """Rotate the default secret of a workspace, as for an endpoint; return its row.

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
