"""Check that a webhook comes from Ozvena. Answer 400 when it does not."""

import base64
import hmac
import time


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """`secret` begins with whsec_; `headers` by names in lower case; `body` is raw."""
    try:
        sent_at = headers["webhook-timestamp"]
        if (
            abs(time.time() - int(sent_at)) > 300
        ):  # seconds; refuses a replayed old request
            return False
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{sent_at}.".encode() + body
        digest = hmac.digest(key, signed, "sha256")
        wanted = b"v1," + base64.b64encode(digest)
        # While a secret is being changed, there are two signatures.
        given = headers["webhook-signature"].encode().split()
        return any(hmac.compare_digest(wanted, one) for one in given)
    except (KeyError, ValueError):
        return False
