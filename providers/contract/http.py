"""One HTTP call to a vendor, and nothing that the caller did not ask for.

No retry, no redirect, no proxy from the environment, nothing unpacked, nothing logged. A
call has a connection of its own: on one that was kept open, a vendor may hang up just as
the request leaves, and nobody could tell whether the text was spoken and billed.

Each wait has a limit that a server can't stretch by dripping bytes: time is taken off an
allowance at every read from the socket, below the parser of HTTP. Only waiting counts, so a
slow listener does not end a call.
"""

import io
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import certifi

from providers.contract.base import Failure, ProviderError

PART = 16 * 1024  # bytes read at once, at most
MOST_JSON = 64 * 1024 * 1024  # bytes; audio comes in JSON too
_MOST = 4 * MOST_JSON  # bytes of any answer: hours of audio
_MOST_ERROR = 16 * 1024  # bytes of an error's body that are looked at
_LONGEST_LINE = 8 * 1024 * 1024  # bytes; audio in a line of JSON
_LONGEST_RETRY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How many seconds of waiting are too many."""

    connect: float = 10.0  # look-up, TCP and TLS
    # OpenAI needs 46 s for 4,096 characters with tts-1 (measured by others, 2025-11).
    first_byte: float = 120.0  # from the request to the first byte of the answer's body
    quiet: float = 60.0  # between two parts of it
    total: float = 300.0


LIMITS = Limits()
QUICK = Limits(first_byte=20.0, quiet=10.0, total=30.0)
"""For lists and checks."""
_REFUSAL_SECONDS = 5.0  # for the body of an error, which may say more than its status

_within: ContextVar[Limits | None] = ContextVar("limits", default=None)


@contextmanager
def within(limits: Limits) -> Iterator[None]:
    """Give the calls of the block, which know no limits of their own, these."""
    token = _within.set(limits)
    try:
        yield
    finally:
        _within.reset(token)


class _Clock:
    """Allowances for waiting: one for the present step, one for the whole call."""

    def __init__(self, limits: Limits) -> None:
        self._total = limits.total
        self._step = limits.connect

    def begin(self, seconds: float) -> None:
        """Begin a step that may take so long."""
        self._step = seconds

    def end_within(self, seconds: float) -> None:
        """Let all that is left take no longer than this."""
        self._total = min(self._total, seconds)

    @property
    def left(self) -> float:
        """Seconds that may be waited now.

        Raises:
            TimeoutError: none.
        """
        left = min(self._step, self._total)
        if left <= 0:
            raise TimeoutError
        return left

    @contextmanager
    def waiting(self) -> Iterator[float]:
        """Take what the block takes off the allowances; gives how long it may be."""
        began = time.monotonic()
        try:
            yield self.left
        finally:
            spent = time.monotonic() - began
            self._step -= spent
            self._total -= spent


class _Waits(io.RawIOBase):
    """Reads from a socket, each time no longer than the clock allows."""

    def __init__(self, channel: socket.socket, clock: _Clock) -> None:
        self._channel = channel
        self._clock = clock

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, or wait for it."""
        with self._clock.waiting() as seconds:
            self._channel.settimeout(seconds)
            return self._channel.recv_into(buffer)


class _Channel:
    """As much of a socket as HTTPConnection uses."""

    def __init__(self, channel: socket.socket, clock: _Clock) -> None:
        self._channel = channel
        self._clock = clock

    def sendall(self, data: bytes) -> None:
        """Send all of it in the time that is left.

        By parts: over TLS, `sendall` would wait so long for each of its own.
        """
        rest = memoryview(data)
        while rest:
            with self._clock.waiting() as seconds:
                self._channel.settimeout(seconds)
                rest = rest[self._channel.send(rest[:PART]) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the reading end."""
        return io.BufferedReader(_Waits(self._channel, self._clock), PART)

    def close(self) -> None:
        """Close nothing: `call` owns the socket."""


@dataclass(slots=True)
class Answer:
    """What a vendor answered; its body is read once, from the front."""

    status: int
    headers: Message
    _response: HTTPResponse = field(repr=False)
    _clock: _Clock = field(repr=False)
    _quiet: float = field(repr=False)

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def parts(self) -> Generator[bytes]:
        """Yield the body as it comes, in parts of at most `PART` bytes.

        Raises:
            ProviderError: it stopped before its end, took too long, or is far too big.
        """
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ProviderError(Failure.BAD_AUDIO, "packed, though unasked")
        missing = self._response.length
        size = 0
        with _translated():
            while part := self._response.read1(PART):
                self._clock.begin(self._quiet)
                size += len(part)
                if size > _MOST:
                    raise ProviderError(Failure.BAD_AUDIO, f"more than {_MOST} bytes")
                if missing is not None:
                    missing -= len(part)
                yield part
        if missing:
            raise ProviderError(Failure.BAD_AUDIO, f"{missing} bytes are missing")

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
        body = bytearray()
        for part in self.parts():
            body += part
            if len(body) > most:
                raise ProviderError(Failure.BAD_AUDIO, f"more than {most} bytes")
        return bytes(body)

    def json(self) -> Any:
        """Return the body's value.

        Raises:
            ProviderError: see `read`; or it is no JSON.
        """
        return parsed(self.read())

    def error(self) -> Any:
        """Return the value of an error's body, or None if it has none worth looking at."""
        body = bytearray()
        self._clock.end_within(_REFUSAL_SECONDS)
        try:
            for part in self.parts():
                body += part
                if len(body) >= _MOST_ERROR:
                    break
            return json.loads(bytes(body))
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
) -> Iterator[Answer]:
    """Send a request and give the head of the answer; leaving the block hangs up.

    Raises:
        ProviderError: DOWN, TIMEOUT, or BAD_REQUEST for a URL or header that can't be.
    """
    limits = limits or _within.get() or LIMITS
    clock = _Clock(limits)
    with _translated():
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ProviderError(Failure.BAD_REQUEST, "not a URL")
        is_secure = parts.scheme == "https"
        port = parts.port or (443 if is_secure else 80)
        opened = _connect(parts.hostname, port, clock)
    try:
        with _translated():
            if is_secure:
                with clock.waiting() as seconds:
                    opened.settimeout(seconds)
                    opened = _tls().wrap_socket(opened, server_hostname=parts.hostname)
            clock.begin(limits.first_byte)
            connection = HTTPConnection(parts.hostname, port)
            channel: Any = _Channel(opened, clock)
            connection.sock = channel
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            sent = {
                "Host": parts.netloc.rpartition("@")[2],
                "User-Agent": "ozvena",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **headers,
            }
            with suppress(BrokenPipeError, ConnectionResetError):
                # It may have answered before it has read all.
                connection.request(method, path, body, sent)
            response = connection.getresponse()
        yield Answer(response.status, response.headers, response, clock, limits.quiet)
    finally:
        opened.close()


def parsed(text: bytes) -> Any:
    """Return the value of a JSON text that should hold audio or a list.

    Raises:
        ProviderError: it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProviderError(Failure.BAD_AUDIO, "no JSON") from error


def _connect(host: str, port: int, clock: _Clock) -> socket.socket:
    """Connect to the first address that answers."""
    refusal: OSError = OSError("no address")
    with clock.waiting() as seconds:
        found = _look_up(host, port, seconds)
    for family, kind, protocol, _, address in found:
        opened = socket.socket(family, kind, protocol)
        try:
            with clock.waiting() as seconds:
                opened.settimeout(seconds)
                opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            opened.close()
            refusal = error
        else:
            return opened
    raise refusal


def _look_up(host: str, port: int, seconds: float) -> list[Any]:
    """Ask the resolver, which knows no time limit, in a thread that may be left behind."""
    found: list[Any] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failure.append(OSError(str(error)))

    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if failure:
        raise failure[0]
    return found


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Return what checks certificates; made once, since it reads a file of them."""
    return ssl.create_default_context(cafile=certifi.where())


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the network does into what a provider does."""
    try:
        yield
    except TimeoutError as error:
        raise ProviderError(Failure.TIMEOUT) from error
    except HTTPException as error:
        kind = type(error).__name__
        failure = Failure.BAD_AUDIO if kind == "IncompleteRead" else Failure.DOWN
        raise ProviderError(failure, kind) from None  # its text may quote the answer
    except OSError as error:
        raise ProviderError(Failure.DOWN, type(error).__name__) from error
    except ValueError as error:
        raise ProviderError(Failure.BAD_REQUEST, "not a request") from error


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
