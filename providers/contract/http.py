"""How adapters call vendors: `kit.http`, with failures as `ProviderError`.

A call for speech may reuse a connection that an earlier one for the same credential left
open. Lists and checks are rare, and have a connection of their own.
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

from kit import http
from kit.http import addresses
from providers.contract.base import Failure, ProviderError

MOST_JSON = 64 * 1024 * 1024  # bytes; audio comes in JSON too
_MOST = 4 * MOST_JSON  # bytes of any answer: hours of audio
_MOST_ERROR = 16 * 1024  # bytes of an error's body that are looked at
_LONGEST_LINE = 8 * 1024 * 1024  # bytes; audio in a line of JSON
_LONGEST_RETRY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Limits(http.Limits):
    """How many seconds of waiting are too many."""

    connect: float = 10.0
    # OpenAI needs 46 s for 4,096 characters with tts-1 (measured by others, 2025-11).
    first_byte: float = 120.0
    quiet: float = 60.0
    total: float = 300.0


LIMITS = Limits()
QUICK = Limits(first_byte=20.0, quiet=10.0, total=30.0)
"""For lists and checks."""
_REFUSAL_SECONDS = 5.0  # for the body of an error, which may say more than its status


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the calls of a block have in common."""

    limits: Limits = LIMITS
    owner: Hashable = None
    is_fresh: bool = False


_USUAL = _Terms()
_terms: ContextVar[_Terms] = ContextVar("terms", default=_USUAL)


@contextmanager
def within(
    limits: Limits, *, owner: Hashable = None, is_fresh: bool = False
) -> Iterator[None]:
    """Give the calls of the block limits, unless they have their own, and connections.

    Those of one `owner`, which stands for a credential, share connections; without an owner
    each call has its own. `is_fresh` opens new ones even so.
    """
    token = _terms.set(_Terms(limits, owner, is_fresh))
    try:
        yield
    finally:
        _terms.reset(token)


@dataclass(slots=True)
class Response:
    """What a vendor answered; its body is read once, from the front."""

    _answer: http.Response = field(repr=False)

    @property
    def status(self) -> int:
        """The status code."""
        return self._answer.status

    @property
    def headers(self) -> Message:
        """The headers, whose names may be in any case."""
        return self._answer.headers

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters."""
        return self._answer.content_type

    def parts(self, most: int | None = None) -> Generator[bytes]:
        """Yield the body as it comes, in parts of at most 16 KB.

        Raises:
            ProviderError: it stopped before its end, took too long, or is longer than
                `most` bytes (256 MB).
        """
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ProviderError(Failure.BAD_AUDIO, "packed, though unasked")
        with _translated():
            yield from self._answer.parts(_MOST if most is None else most)

    def skip_rest(self) -> None:
        """Read what little may follow the part that was wanted; see `kit.http`."""
        self._answer.skip_rest()

    def lines(self) -> Generator[bytes]:
        """Yield the body line by line, without line ends.

        Raises:
            ProviderError: see `parts`; or a line has no end.
        """
        pending = bytearray()
        for part in self.parts():
            seen = len(pending)
            pending += part
            while (end := pending.find(b"\n", seen)) >= 0:
                yield bytes(pending[:end]).rstrip(b"\r")
                del pending[: end + 1]
                seen = 0
            if len(pending) > _LONGEST_LINE:
                raise ProviderError(Failure.BAD_AUDIO, "a line without an end")
        if pending:
            yield bytes(pending)

    def read(self, most: int = MOST_JSON) -> bytes:
        """Return the body.

        Raises:
            ProviderError: see `parts`; or it is longer than `most` bytes.
        """
        return b"".join(self.parts(most))

    def json(self) -> Any:
        """Return the body's value.

        Raises:
            ProviderError: see `read`; or it is no JSON.
        """
        return parsed(self.read())

    def error(self) -> Any:
        """Return the value of an error's body, or None if it has none worth looking at."""
        self._answer.end_within(_REFUSAL_SECONDS)
        try:
            return json.loads(self.read(_MOST_ERROR))
        except (ProviderError, ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the vendor wants to be asked again."""
        if milliseconds := _number(self.headers.get("retry-after-ms", "")):
            return min(milliseconds / 1000, _LONGEST_RETRY)
        text = self.headers.get("Retry-After", "").strip()
        seconds = _number(text)
        if seconds is None and text:
            try:
                moment = parsedate_to_datetime(text)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                seconds = max(0.0, (moment - datetime.now(UTC)).total_seconds())
            except (ValueError, OverflowError):
                return None
        return None if seconds is None else min(seconds, _LONGEST_RETRY)


@contextmanager
def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    limits: Limits | None = None,
) -> Iterator[Response]:
    """Send a request and give the head of the answer; leaving the block ends the call.

    Raises:
        ProviderError: DOWN, TIMEOUT, ABORTED, or BAD_REQUEST for a URL or header that
            can't be sent.
    """
    terms = _terms.get()
    with ExitStack() as stack:
        with _translated():
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


def parsed(text: bytes) -> Any:
    """Return the value of a JSON text that should hold audio or a list.

    Raises:
        ProviderError: it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProviderError(Failure.BAD_AUDIO, "no JSON") from error


def _resolve(host: str, port: int, seconds: float) -> Sequence[addresses.IPAddress]:
    found = addresses.look_up(host, port, seconds)
    return addresses.check_addresses(host, found, addresses.is_server_address)


_FAILURES: tuple[tuple[type[http.CallFailed], Failure], ...] = (
    (http.InvalidRequest, Failure.BAD_REQUEST),
    (http.TimedOut, Failure.TIMEOUT),
    (http.Aborted, Failure.ABORTED),
    (http.Incomplete, Failure.BAD_AUDIO),
    (http.TooLong, Failure.BAD_AUDIO),
    (http.CallFailed, Failure.DOWN),
)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what befell a call into what a provider does."""
    try:
        yield
    except http.CallFailed as error:
        kind = next(kind for of, kind in _FAILURES if isinstance(error, of))
        raise ProviderError(kind, str(error)) from error


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
