"""Encrypt and decrypt stored secrets, and keep them out of logs.

AES-256-GCM with the keys of `ENCRYPTION_KEYS` (`id:base64,id:base64…`). The first key
encrypts, all of them decrypt, so a key is rotated by putting a new one in front. A value is
bound to its context, such as table, row and column: it can't be decrypted in another row.

Format: version (1 byte), length of the key id (1), key id, nonce (12), ciphertext with tag.
"""

import binascii
import os
from base64 import b64decode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_VERSION = 1
_NONCE = 12  # bytes, as NIST SP 800-38D recommends
_KEY = 32  # bytes


class CannotDecrypt(Exception):
    """The context is wrong, the key is missing, or the value was changed."""


class Secret:
    """Secret bytes that are only returned by `reveal` and `reveal_text`.

    Printed, logged or formatted, a secret is masked by dots. It can't be pickled.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """Return the secret itself."""
        return self._value

    def reveal_text(self) -> str:
        """Return the secret itself, as text."""
        return self._value.decode()

    def __repr__(self) -> str:
        return "Secret(•••)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret can't be pickled")


def encrypt(plaintext: Secret | bytes | str, *, context: str) -> bytes:
    """Encrypt `plaintext` with the first key, bound to `context`."""
    secret = plaintext if isinstance(plaintext, Secret) else Secret(plaintext)
    key = next(iter(_keys().values()))
    head = current_head()
    nonce = os.urandom(_NONCE)
    return head + nonce + key.encrypt(nonce, secret.reveal(), head + context.encode())


def decrypt(encrypted: bytes | memoryview, *, context: str) -> Secret:
    """Decrypt a value that is bound to `context`.

    Raises:
        CannotDecrypt: the context is wrong, the key is missing, or the value was changed.
    """
    head, nonce, ciphertext = _split(bytes(encrypted))
    key = _keys().get(head[2:].decode("ascii", "replace"))
    if key is None:
        raise CannotDecrypt(
            f"{context} is encrypted with a key that ENCRYPTION_KEYS does not contain"
        )
    try:
        return Secret(key.decrypt(nonce, ciphertext, head + context.encode()))
    except InvalidTag as error:
        raise CannotDecrypt(
            f"{context} has a value that was changed or encrypted for another context"
        ) from error


def current_head() -> bytes:
    """Return the first bytes of values that are encrypted with the first key.

    Values with other first bytes have to be re-encrypted: see `kit.rotation`.
    """
    key_id = next(iter(_keys()))
    return bytes([_VERSION, len(key_id)]) + key_id.encode()


def require_keys() -> None:
    """Look at all keys as a process starts, before one that is missing ruins its work.

    Raises:
        ImproperlyConfigured: one is missing, or can't be read.
    """
    _ = settings.SECRET_KEY
    _keys()


def _split(encrypted: bytes) -> tuple[bytes, bytes, bytes]:
    if len(encrypted) < 2 or encrypted[0] != _VERSION:
        raise CannotDecrypt("the value does not have the format of an encrypted value")
    end = 2 + encrypted[1]
    return encrypted[:end], encrypted[end : end + _NONCE], encrypted[end + _NONCE :]


def _keys() -> dict[str, AESGCM]:
    return parse_keys(settings.ENCRYPTION_KEYS)


@lru_cache(maxsize=4)
def parse_keys(text: str) -> dict[str, AESGCM]:
    """Return the keys of `id:base64,…` by their ids, in the same order.

    Raises:
        ImproperlyConfigured: the text has another format. The message does not quote it.
    """
    keys: dict[str, AESGCM] = {}
    for number, part in enumerate(text.split(","), 1):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        is_named = key_id.isascii() and key_id.isalnum() and len(key_id) <= 32
        if not is_named or len(key) != _KEY or key_id in keys:
            raise ImproperlyConfigured(
                f"Key {number} of ENCRYPTION_KEYS is not `id:base64` with an id of its"
                f" own (letters and digits) and {_KEY} bytes."
            )
        keys[key_id] = AESGCM(key)
    return keys
