"""HTTP calls of adapters to vendors: `kit.http`, with failures as `ProviderError`.

A call for speech may reuse an open connection of an earlier call with the same credential.
Lists and checks are rare and open a new connection each.
"""

import json
import math
from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings

from kit import http
from kit.http import addresses
from providers.contract.base import Failure, ProviderError

MAX_JSON = 64 * 1024 * 1024  # bytes; some vendors send audio as JSON
_MAX_BODY = 4 * MAX_JSON  # bytes of any response: hours of audio
_MAX_ERROR = 16 * 1024  # bytes of an error's body that are read
_MAX_LINE = 8 * 1024 * 1024  # bytes; a line of JSON may contain audio
_MAX_RETRY_AFTER = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Limits(http.Limits):
    """Timeouts of a call, in seconds."""

    connect: float = 10.0
    # OpenAI needs 46 s for 4,096 characters with tts-1 (measured by others, 2025-11).
    first_byte: float = 120.0
    quiet: float = 60.0
    total: float = 300.0


LIMITS = Limits()
QUICK = Limits(first_byte=20.0, quiet=10.0, total=30.0)
"""Timeouts for lists and checks."""
_REFUSAL_SECONDS = 5.0  # to read an error's body, which may hold a more specific code


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of all calls in a `within` block."""

    limits: Limits = LIMITS
    owner: Hashable = None
    is_fresh: bool = False


_DEFAULTS = _Settings()
_terms: ContextVar[_Settings] = ContextVar("terms", default=_DEFAULTS)


@contextmanager
def within(
    limits: Limits, *, owner: Hashable = None, is_fresh: bool = False
) -> Iterator[None]:
    """Set the timeouts of all calls in the block, and which connections they reuse.

    Timeouts that a call passes itself take precedence. Calls of one `owner`, which stands
    for a credential, reuse connections; without an owner each call opens a new one.
    `is_fresh` opens a new one in any case.
    """
    token = _terms.set(_Settings(limits, owner, is_fresh))
    try:
        yield
    finally:
        _terms.reset(token)


@dataclass(slots=True)
class Response:
    """A vendor's response. Its body can be read once."""

    _answer: http.Response = field(repr=False)

    @property
    def status(self) -> int:
        """The status code."""
        return self._answer.status

    @property
    def headers(self) -> Message:
        """The headers; their names are case-insensitive."""
        return self._answer.headers

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters."""
        return self._answer.content_type

    def parts(self, most: int | None = None) -> Generator[bytes]:
        """Yield the body as it arrives, in parts of at most 16 KB.

        Raises:
            ProviderError: it ended early, took too long, or is longer than `most` bytes
                (256 MB).
        """
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ProviderError(Failure.BAD_AUDIO, "compressed, though not requested")
        with _as_provider_errors():
            yield from self._answer.parts(_MAX_BODY if most is None else most)

    def skip_rest(self) -> None:
        """Read the little that may be left, so that the connection can be reused."""
        self._answer.skip_rest()

    def lines(self) -> Generator[bytes]:
        """Yield the body line by line, without line ends.

        Raises:
            ProviderError: see `parts`; or a line is longer than 8 MB.
        """
        pending = bytearray()
        for part in self.parts():
            seen = len(pending)
            pending += part
            while (end := pending.find(b"\n", seen)) >= 0:
                yield bytes(pending[:end]).rstrip(b"\r")
                del pending[: end + 1]
                seen = 0
            if len(pending) > _MAX_LINE:
                raise ProviderError(Failure.BAD_AUDIO, "a line is too long")
        if pending:
            yield bytes(pending)

    def read(self, most: int = MAX_JSON) -> bytes:
        """Return the body.

        Raises:
            ProviderError: see `parts`; or it is longer than `most` bytes.
        """
        return b"".join(self.parts(most))

    def json(self) -> Any:
        """Return the value of the JSON body.

        Raises:
            ProviderError: see `read`; or it is not JSON.
        """
        return parse_json(self.read())

    def error(self) -> Any:
        """Return the value of an error's JSON body; None if it is not readable JSON."""
        self._answer.end_within(_REFUSAL_SECONDS)
        try:
            return json.loads(self.read(_MAX_ERROR))
        except (ProviderError, ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Return the seconds after which the vendor asks us to retry; None if unsaid."""
        if milliseconds := _number(self.headers.get("retry-after-ms", "")):
            return min(milliseconds / 1000, _MAX_RETRY_AFTER)
        text = self.headers.get("Retry-After", "").strip()
        seconds = _number(text)
        if seconds is None and text:
            try:
                moment = parsedate_to_datetime(text)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                seconds = max(0.0, (moment - datetime.now(UTC)).total_seconds())
            except (ValueError, OverflowError):
                return None
        return None if seconds is None else min(seconds, _MAX_RETRY_AFTER)


@contextmanager
def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    limits: Limits | None = None,
) -> Iterator[Response]:
    """Send a request and yield the response; leaving the block ends the call.

    Raises:
        ProviderError: DOWN, TIMEOUT, ABORTED, or BAD_REQUEST for a URL or header that
            can't be sent.
    """
    terms = _terms.get()
    with ExitStack() as stack:
        with _as_provider_errors():
            answer = stack.enter_context(
                http.call(
                    method,
                    url,
                    headers,
                    body,
                    limits=limits or terms.limits,
                    resolve=_resolve,
                    owner=terms.owner,
                    is_fresh=terms.is_fresh,
                )
            )
        yield Response(answer)


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text, from a vendor's successful response.

    Raises:
        ProviderError: BAD_AUDIO, it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProviderError(Failure.BAD_AUDIO, "not JSON") from error


def _resolve(host: str, port: int, seconds: float) -> Sequence[addresses.IPAddress]:
    found = addresses.look_up(host, port, seconds)
    return addresses.check_addresses(host, found, may_connect)


def may_connect(address: addresses.IPAddress) -> bool:
    """Return whether a provider may have this `address`, for speech, lists and checks.

    Private networks and this machine are allowed in development, and where the setting
    PROVIDER_PRIVATE_NETWORKS names them; the addresses of clouds' network services never.
    """
    if not addresses.is_server_address(address):
        return False
    return (
        settings.DEVELOPMENT
        or addresses.is_public(address)
        or addresses.is_in_networks(address, tuple(settings.PROVIDER_PRIVATE_NETWORKS))
    )


_FAILURES: tuple[tuple[type[http.CallFailed], Failure], ...] = (
    (http.InvalidRequest, Failure.BAD_REQUEST),
    (http.TimedOut, Failure.TIMEOUT),
    (http.Aborted, Failure.ABORTED),
    (http.Incomplete, Failure.BAD_AUDIO),
    (http.TooLong, Failure.BAD_AUDIO),
    (http.CallFailed, Failure.DOWN),
)


@contextmanager
def _as_provider_errors() -> Iterator[None]:
    """Raise failures of `kit.http` as `ProviderError`."""
    try:
        yield
    except http.CallFailed as error:
        kind = next(kind for of, kind in _FAILURES if isinstance(error, of))
        raise ProviderError(kind, str(error), is_unanswered=error.was_sent) from error


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
