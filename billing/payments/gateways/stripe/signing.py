"""The signature of Stripe's events: `t=<Unix time>,v1=<HMAC-SHA256>`."""

import hashlib
import hmac
import time

from billing.errors import InvalidSignature

TOLERANCE = 300  # seconds; each delivery is signed anew


def sign(body: bytes, secret: str, at: int) -> str:
    """Return the header `Stripe-Signature` for a body."""
    return f"t={at},v1={_mac(body, secret, str(at))}"


def verify(body: bytes, header: str, secret: str) -> None:
    """Check a signature; while a secret is changed there may be several.

    Raises:
        InvalidSignature: none is right, or its time is too far in the past or the future.
    """
    pairs = [part.partition("=")[::2] for part in header[:2048].split(",")]
    at = next((value for name, value in pairs if name == "t"), "")
    if not (at.isascii() and at.isdecimal() and len(at) <= 12):
        raise InvalidSignature
    expected = _mac(body, secret, at).encode()
    given = [value.encode() for name, value in pairs if name == "v1"]
    if not any(hmac.compare_digest(expected, one) for one in given):
        raise InvalidSignature
    if abs(time.time() - int(at)) > TOLERANCE:
        raise InvalidSignature


def _mac(body: bytes, secret: str, at: str) -> str:
    return hmac.new(
        secret.encode(), f"{at}.".encode() + body, hashlib.sha256
    ).hexdigest()
