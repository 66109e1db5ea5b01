"""Sign requests to Amazon's services with Signature Version 4.

The steps follow "Create a signed AWS API request" in the IAM user guide; tests compare
them with an example of its test suite. This is our own code because it is short, while
the vendor's library includes the clients of all its services.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; temporary ones also have a session token."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def sign_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Return `headers` with date and signature; all headers and the host are signed.

    `now` is in UTC. A signature is valid for a few minutes.
    """
    parts = urlsplit(url)
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "X-Amz-Date": moment}
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    named = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
    named["host"] = parts.netloc
    names = ";".join(sorted(named))
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    request = "\n".join(
        [
            method,
            quote(parts.path or "/", safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{named[name]}" for name in sorted(named)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = "\n".join([_ALGORITHM, moment, scope, digest])
    key = f"AWS4{credentials.secret}".encode()
    for step in scope.split("/"):
        key = _hmac(key, step)
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope},"
        f" SignedHeaders={names}, Signature={_hmac(key, to_sign).hex()}"
    )
    return sent


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
