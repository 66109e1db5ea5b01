"""Send one POST to a URL that a customer chose.

It ends at its deadline whatever the server does, and reads a limited part of the answer. It
connects to an IP address that has just been vetted, without a second lookup; TLS still
checks the name. The connection is not reused. The rest is `kit.http`.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from kit import http
from webhooks.errors import UnusableURL
from webhooks.models import Attempt
from webhooks.sending.addresses import parse, resolve

DEADLINE = 15.0
"""Seconds for the whole call: lookup, connection, request and answer."""
_CONNECT = 8.0  # seconds of these for lookup and connection
_MOST_READ = 16 * 1024  # bytes of the answer's body
_KEPT = 2 * 1024  # bytes of it that are stored

logger = logging.getLogger(__name__)
Failure = Attempt.Failure
_FAILURES: tuple[tuple[type[http.CallFailed], Failure], ...] = (
    (http.Unreachable, Failure.UNREACHABLE),
    (http.TimedOut, Failure.TIMEOUT),
    (http.TLSFailed, Failure.TLS),
    (http.CallFailed, Failure.BROKEN),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a call: an HTTP status, or a failure."""

    duration_ms: int
    address: str = ""  # IP address of the connection; empty if there was none
    status: int | None = None
    failure: str = ""  # an Attempt.Failure
    retry_after: str = ""  # the header, unparsed
    answer: str = ""  # beginning of the body


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, deadline: float
) -> Outcome:
    """Send `body` to `url` and return the outcome; raises nothing for a failed call.

    `deadline` is in seconds. The status decides: an answer counts even if its body never
    ends.
    """
    began = time.monotonic()

    def elapsed_ms() -> int:
        return round((time.monotonic() - began) * 1000)

    try:
        target = parse(url)
        with http.call(
            "POST",
            target.url,
            headers,
            body,
            limits=http.Limits(min(_CONNECT, deadline), deadline, deadline, deadline),
            resolve=lambda _host, _port, seconds: resolve(target, seconds),
        ) as answer:
            text = _read_beginning(answer)
    except UnusableURL:
        return Outcome(elapsed_ms(), failure=Failure.URL)
    except http.CallFailed as error:
        # The details are for our log only: they would reveal our network to customers.
        logger.info("webhook: %s: %s %s", target.host, type(error).__name__, error)
        failure = next(name for kind, name in _FAILURES if isinstance(error, kind))
        return Outcome(elapsed_ms(), address=error.address, failure=failure)
    return Outcome(
        elapsed_ms(),
        address=answer.address,
        status=answer.status,
        retry_after=answer.headers.get("Retry-After", ""),
        answer=text,
    )


def _read_beginning(answer: http.Response) -> str:
    """Return the beginning of an answer, as far as it came, as text for the database."""
    body = bytearray()
    try:
        for part in answer.parts(_MOST_READ):
            body += part
            if len(body) == _MOST_READ:
                break
    except http.CallFailed as error:
        logger.info("webhook: after %d bytes: %s", len(body), type(error).__name__)
    return bytes(body[:_KEPT]).decode(errors="replace").replace("\0", "\ufffd")
