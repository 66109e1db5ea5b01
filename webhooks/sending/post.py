"""One POST to an address that a stranger chose.

It ends at its deadline whatever the other side does, and reads little. It connects to an
address that was vetted a moment before, without a second look-up; TLS still checks the
name. The connection serves this one call. The rest is `kit.http`.
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
"""Seconds for all of it: look-up, connection, request and answer."""
_CONNECT = 8.0  # seconds of it until the request can be sent
_MOST_READ = 16 * 1024  # bytes of the answer's body
_KEPT = 2 * 1024  # bytes of it that are remembered

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
    """What came of a call: a status, or else a failure."""

    duration_ms: int
    address: str = ""  # that was connected to; empty if none was
    status: int | None = None
    failure: str = ""  # an Attempt.Failure
    retry_after: str = ""  # the header, as it came
    answer: str = ""  # beginning of the body


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, deadline: float
) -> Outcome:
    """Send `body` to `url` and say what came of it; nothing is raised.

    The status decides: an answer whose body never ends is an answer all the same.
    """
    began = time.monotonic()

    def spent() -> int:
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
            text = _beginning(answer)
    except UnusableURL:
        return Outcome(spent(), failure=Failure.URL)
    except http.CallFailed as error:
        # Why is for us alone: told to customers, it would map our network.
        logger.info("webhook: %s: %s %s", target.host, type(error).__name__, error)
        failure = next(name for kind, name in _FAILURES if isinstance(error, kind))
        return Outcome(spent(), address=error.address, failure=failure)
    return Outcome(
        spent(),
        address=answer.address,
        status=answer.status,
        retry_after=answer.headers.get("Retry-After", ""),
        answer=text,
    )


def _beginning(answer: http.Response) -> str:
    """Return the beginning of an answer, as much as came, as text that can be stored."""
    body = bytearray()
    try:
        for part in answer.parts(_MOST_READ):
            body += part
            if len(body) == _MOST_READ:
                break
    except http.CallFailed as error:
        logger.info("webhook: after %d bytes: %s", len(body), type(error).__name__)
    return bytes(body[:_KEPT]).decode(errors="replace").replace("\0", "\ufffd")
