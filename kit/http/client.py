"""HTTP client: make one call to another server, and nothing that was not asked for.

It does not retry, redirect, use a proxy from the environment, keep cookies, decompress or
log. A connection may be kept for the next call of the same owner:
`docs/decisions/0011-outbound-http.md` says when, and what happens when it breaks.
"""

import time
from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from urllib.parse import SplitResult, urlsplit

from kit.http import connections
from kit.http.addresses import IPAddress, Resolver
from kit.http.clock import Clock, Limits
from kit.http.connections import PART, Connection
from kit.http.errors import (
    Aborted,
    Broken,
    CallFailed,
    Incomplete,
    InvalidRequest,
    TimedOut,
    TooLong,
)
from kit.http.pool import KEPT, Route

KEEP_ALIVE = 20.0
"""Seconds for which an idle connection is kept, unless its server asks for less."""
_MARGIN = 1.0  # seconds less than the server says: a request takes time to arrive
_LOOK_UP_AFTER = 60.0  # seconds until the host of a kept connection is resolved again
_REST_SECONDS = 0.1  # to read the rest of a response that is not needed
_LONGEST_HEAD = 64 * 1024  # bytes of status line and headers


@dataclass(slots=True)
class Response:
    """A server's response; its body can be read once."""

    status: int
    headers: Message
    _response: HTTPResponse = field(repr=False)
    _connection: Connection = field(repr=False)
    _clock: Clock = field(repr=False)
    _quiet: float = field(repr=False)
    _is_read: bool = field(default=False, init=False, repr=False)

    @property
    def address(self) -> str:
        """The IP address of the server."""
        return self._connection.address

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def parts(self, most: int) -> Generator[bytes]:
        """Yield the body as it arrives, in parts of at most `PART` bytes.

        Raises:
            TooLong: it has more than `most` bytes; the first `most` have been yielded.
            Incomplete, TimedOut, Broken
        """
        missing = self._response.length
        left = most
        # Chunked encoding adds headers to each chunk; they are limited by `most` too.
        self._connection.allow(2 * most + _LONGEST_HEAD)
        with _converted_errors(self._connection):
            while part := self._response.read1(min(PART, left) or 1):
                self._clock.begin(self._quiet)
                if not left:
                    raise TooLong(
                        f"more than {most} bytes", address=self.address, was_sent=True
                    )
                left -= len(part)
                if missing is not None:
                    missing -= len(part)
                yield part
        if missing:
            raise Incomplete(
                f"{missing} bytes are missing", address=self.address, was_sent=True
            )
        self._is_read = True

    def end_within(self, seconds: float) -> None:
        """Limit the time for the rest of the response."""
        self._clock.end_within(seconds)

    def skip_rest(self) -> None:
        """Read a short rest of the response, so that the connection can be kept.

        If the rest is long or slow, the connection is closed after the call.
        """
        self._clock.end_within(_REST_SECONDS)
        with suppress(CallFailed):
            for _ in self.parts(PART):
                pass

    @property
    def keep_alive(self) -> float:
        """The number of seconds for which the connection may be kept; 0 for not at all.

        It is 0 if the response was not read to its end: the rest would be taken for the
        next response.
        """
        is_read = self._is_read or self._response.length == 0
        if not is_read or self._response.will_close:
            return 0.0
        for word in self.headers.get("Keep-Alive", "").split(","):
            name, _, value = word.strip().partition("=")
            if name.lower() == "timeout" and value.isdecimal():
                return min(KEEP_ALIVE, float(value) - _MARGIN)
        return KEEP_ALIVE


@contextmanager
def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    limits: Limits,
    resolve: Resolver,
    owner: Hashable = None,
    is_fresh: bool = False,
) -> Iterator[Response]:
    """Send a request and yield the response's head; leaving the block ends the call.

    Args:
        resolve: resolves the host and checks its addresses.
        owner: whose credentials are sent. Calls to a host for the same owner share kept
            connections; without an owner, the connection is closed after the call.
        is_fresh: always open a new connection.

    Raises:
        InvalidRequest, Unreachable, TLSFailed, TimedOut, Broken: there is no response.
        Aborted: a kept connection ended; the server may have received the request.
    """
    clock = Clock(limits)
    try:
        parts = urlsplit(url)
        route = _route(parts, resolve, owner)
        request = _request(method, parts, route, headers, body)
    except (ValueError, HTTPException) as error:
        # The error's message may quote a key.
        raise InvalidRequest(type(error).__name__) from None
    connection = None
    if owner is not None and not is_fresh:
        connection = _send_on_kept(route, request, clock, limits)
    if connection is None:
        connection = _send_on_new(route, request, clock, limits)
    with _closing_on_error(connection):
        try:
            answer = _answer(connection, method, clock, limits)
        except Aborted:
            KEPT.drop(route)  # others were idle for longer, so they have ended too
            raise
    try:
        yield answer
    finally:
        if owner is None or not connection.has_sent_all:
            connection.close()
        else:
            KEPT.put(route, connection, answer.keep_alive)


def _route(parts: SplitResult, resolve: Resolver, owner: Hashable) -> Route:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a URL")
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    tls = connections.tls() if is_secure else None
    return Route(parts.hostname, port, tls, resolve, owner)


def _request(
    method: str,
    parts: SplitResult,
    route: Route,
    headers: Mapping[str, str],
    body: bytes | None,
) -> bytes:
    """Return the bytes of a request."""
    written = _Written()
    writer = HTTPConnection(route.host, route.port)
    writer.sock = written  # has all the methods of a socket that it uses
    sent = {
        "Host": parts.netloc.rpartition("@")[2],
        "User-Agent": "ozvena",
        "Accept-Encoding": "identity",
        **({"Connection": "close"} if route.owner is None else {}),
        **headers,
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    writer.request(method, path, body, sent)
    return b"".join(written.parts)


class _Written:
    """A socket for HTTPConnection that collects what is sent."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Collect `data`."""
        self.parts.append(data)

    def close(self) -> None:
        """Do nothing; HTTPConnection calls it."""


def _send_on_kept(
    route: Route, request: bytes, clock: Clock, limits: Limits
) -> Connection | None:
    """Send a request on a kept connection and return it; None if none accepts a byte.

    A connection that has ended is noticed before sending, or when it accepts no byte.
    Either way nothing was sent, so the next one can be tried.
    """
    while (connection := KEPT.take(route)) is not None:
        with _closing_on_error(connection):
            if connection.is_usable() and _is_current_address(route, connection, clock):
                connection.is_reused = True
                _send(connection, request, clock, limits)
                if connection.has_sent:
                    return connection
        connection.close()
    return None


def _is_current_address(route: Route, connection: Connection, clock: Clock) -> bool:
    """Return whether the host name still resolves to the connection's address."""
    now = time.monotonic()
    if now - connection.looked_up_at < _LOOK_UP_AFTER:
        return True
    found = _look_up(route, clock)
    connection.looked_up_at = now
    return connection.address in map(str, found)


def _send_on_new(
    route: Route, request: bytes, clock: Clock, limits: Limits
) -> Connection:
    """Send a request on a new connection and return it."""
    clock.begin(limits.connect)
    found = _look_up(route, clock)
    connection = connections.connect(route.host, route.port, found, clock, route.tls)
    with _closing_on_error(connection):
        _send(connection, request, clock, limits)
    return connection


def _look_up(route: Route, clock: Clock) -> Sequence[IPAddress]:
    """Return the addresses of a host; close kept connections to other addresses."""
    try:
        with clock.waiting() as seconds:
            found = route.resolve(route.host, route.port, seconds)
    except TimeoutError as error:
        raise TimedOut(route.host) from error
    KEPT.drop(route, except_to={str(address) for address in found})
    return found


def _send(connection: Connection, request: bytes, clock: Clock, limits: Limits) -> None:
    clock.begin(limits.first_byte)
    connection.begin(clock)
    connection.allow(_LONGEST_HEAD)
    # The server may respond before it has read the whole request.
    with _converted_errors(connection), suppress(BrokenPipeError, ConnectionResetError):
        connection.send(request)
        connection.has_sent_all = True


def _answer(
    connection: Connection, method: str, clock: Clock, limits: Limits
) -> Response:
    response = _Response(connection, method=method)  # type: ignore[arg-type]
    try:
        with _converted_errors(connection):
            response.begin()
    except TooLong as error:
        raise Broken(
            "its headers are too long", address=connection.address, was_sent=True
        ) from error
    return Response(
        response.status, response.headers, response, connection, clock, limits.quiet
    )


class _Response(HTTPResponse):
    """A response that may follow informational ones (RFC 9110 §15.2)."""

    def begin(self) -> None:
        """Read the response's head; the base class skips 100 only, not 102 or 103."""
        super().begin()
        while self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


@contextmanager
def _converted_errors(connection: Connection) -> Iterator[None]:
    """Convert network errors to `CallFailed` exceptions.

    They carry only the type of the error, because its message may quote the response.
    """
    address = connection.address
    try:
        yield
    except TimeoutError as error:
        raise TimedOut(address=address, was_sent=connection.has_sent) from error
    except IncompleteRead:
        raise Incomplete("IncompleteRead", address=address, was_sent=True) from None
    except (OSError, HTTPException, ValueError) as error:
        is_aborted = connection.is_reused and not connection.has_received
        kind = Aborted if is_aborted else Broken
        raise kind(
            type(error).__name__, address=address, was_sent=connection.has_sent
        ) from None


@contextmanager
def _closing_on_error(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
