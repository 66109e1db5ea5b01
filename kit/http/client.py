"""One HTTP call to another server, and nothing that the caller did not ask for.

No retry, no redirect, no proxy from the environment, no cookies, nothing unpacked, nothing
logged. A connection may be kept for the next call of the same owner; see
`docs/decisions/0011-outbound-http.md` for when, and for what follows when it breaks.
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
"""Seconds for which an idle connection is kept, unless its server says less."""
_MARGIN = 1.0  # seconds less than it says: a request takes time to arrive
_LOOK_AGAIN = 60.0  # seconds after which a kept connection's name is looked up again
_REST_SECONDS = 0.1  # for the end of an answer that nobody needs
_LONGEST_HEAD = 64 * 1024  # bytes before the answer's body


@dataclass(slots=True)
class Response:
    """What a server answered; its body is read once, from the front."""

    status: int
    headers: Message
    _response: HTTPResponse = field(repr=False)
    _connection: Connection = field(repr=False)
    _clock: Clock = field(repr=False)
    _quiet: float = field(repr=False)
    _is_read: bool = field(default=False, init=False, repr=False)

    @property
    def address(self) -> str:
        """The address that was connected to."""
        return self._connection.address

    @property
    def content_type(self) -> str:
        """The type of the body in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def parts(self, most: int) -> Generator[bytes]:
        """Yield the body as it comes, in parts of at most `PART` bytes.

        Raises:
            TooLong: there is more than `most` bytes, which have been yielded.
            Incomplete, TimedOut, Broken
        """
        missing = self._response.length
        left = most
        # Chunks have heads of their own: as much again, so that they too have an end.
        self._connection.allow(2 * most + _LONGEST_HEAD)
        with _named(self._connection):
            while part := self._response.read1(min(PART, left) or 1):
                self._clock.begin(self._quiet)
                if not left:
                    raise TooLong(f"more than {most} bytes", address=self.address)
                left -= len(part)
                if missing is not None:
                    missing -= len(part)
                yield part
        if missing:
            raise Incomplete(f"{missing} bytes are missing", address=self.address)
        self._is_read = True

    def end_within(self, seconds: float) -> None:
        """Let the rest of the answer take no longer than this."""
        self._clock.end_within(seconds)

    def skip_rest(self) -> None:
        """Read the little that may follow what was wanted, so that others can follow it.

        Where it is more, or takes long, the connection is not kept.
        """
        self._clock.end_within(_REST_SECONDS)
        with suppress(CallFailed):
            for _ in self.parts(PART):
                pass

    @property
    def keep_alive(self) -> float:
        """For how many seconds the connection may be kept; 0 if it may not.

        Not if the answer was not read to its end, for the rest would be the next answer.
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
    """Send a request and give the head of the answer; leaving the block ends the call.

    Args:
        resolve: looks the host up and vets what it finds.
        owner: whose credentials are sent. Calls to one host for the same owner share its
            connections; without an owner, the connection is closed after the call.
        is_fresh: whether to open a connection although one may be kept.

    Raises:
        InvalidRequest, Unreachable, TLSFailed, TimedOut, Broken: there is no answer.
        Aborted: a kept connection ended; the request may have been heard.
    """
    clock = Clock(limits)
    try:
        parts = urlsplit(url)
        route = _route(parts, resolve, owner)
        request = _request(method, parts, route, headers, body)
    except (ValueError, HTTPException) as error:
        raise InvalidRequest(type(error).__name__) from None  # it may quote a key
    connection = None
    if owner is not None and not is_fresh:
        connection = _reused(route, request, clock, limits)
    if connection is None:
        connection = _opened(route, request, clock, limits)
    with _closing_on_error(connection):
        try:
            answer = _answer(connection, method, clock, limits)
        except Aborted:
            KEPT.drop(route)  # those that were idle for longer have ended, too
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
    """Return a request as it is sent, in one piece."""
    written = _Written()
    writer = HTTPConnection(route.host, route.port)
    writer.sock = written  # as much of a socket as it uses
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
    """Takes what an HTTPConnection sends."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Take `data`."""
        self.parts.append(data)

    def close(self) -> None:
        """Do nothing."""


def _reused(
    route: Route, request: bytes, clock: Clock, limits: Limits
) -> Connection | None:
    """Send a request on a kept connection; None if there is none that takes any of it.

    One that has ended meanwhile is noticed before, or when it takes no byte. Either way
    nothing was sent, so another one can do.
    """
    while (connection := KEPT.take(route)) is not None:
        with _closing_on_error(connection):
            if connection.is_quiet() and _leads_there(route, connection, clock):
                connection.is_reused = True
                _send(connection, request, clock, limits)
                if connection.has_sent:
                    return connection
        connection.close()
    return None


def _leads_there(route: Route, connection: Connection, clock: Clock) -> bool:
    """Whether the name of the host still stands for the address that was connected to."""
    now = time.monotonic()
    if now - connection.looked_up_at < _LOOK_AGAIN:
        return True
    found = _looked_up(route, clock)
    connection.looked_up_at = now
    return connection.address in map(str, found)


def _opened(route: Route, request: bytes, clock: Clock, limits: Limits) -> Connection:
    """Send a request on a new connection."""
    clock.begin(limits.connect)
    found = _looked_up(route, clock)
    connection = connections.connect(route.host, route.port, found, clock, route.tls)
    with _closing_on_error(connection):
        _send(connection, request, clock, limits)
    return connection


def _looked_up(route: Route, clock: Clock) -> Sequence[IPAddress]:
    """Return the addresses of a host; close what is kept to any other."""
    try:
        with clock.waiting() as seconds:
            found = route.resolve(route.host, route.port, seconds)
    except TimeoutError as error:
        raise TimedOut(route.host) from error
    KEPT.drop(route, but={str(address) for address in found})
    return found


def _send(connection: Connection, request: bytes, clock: Clock, limits: Limits) -> None:
    clock.begin(limits.first_byte)
    connection.begin(clock)
    connection.allow(_LONGEST_HEAD)
    # It may have answered before it has read all.
    with _named(connection), suppress(BrokenPipeError, ConnectionResetError):
        connection.send(request)
        connection.has_sent_all = True


def _answer(
    connection: Connection, method: str, clock: Clock, limits: Limits
) -> Response:
    response = _Response(connection, method=method)  # type: ignore[arg-type]
    try:
        with _named(connection):
            response.begin()
    except TooLong as error:
        raise Broken("its head is too long", address=connection.address) from error
    return Response(
        response.status, response.headers, response, connection, clock, limits.quiet
    )


class _Response(HTTPResponse):
    """An answer that may be announced by others (RFC 9110 §15.2)."""

    def begin(self) -> None:
        """Read the head of the answer; the base class knows 100 alone, not 103."""
        super().begin()
        while self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


@contextmanager
def _named(connection: Connection) -> Iterator[None]:
    """Turn what the network does into what it means for a call.

    Only the kinds of errors are told on, for their texts may quote the answer.
    """
    address = connection.address
    try:
        yield
    except TimeoutError as error:
        raise TimedOut(address=address) from error
    except IncompleteRead:
        raise Incomplete("IncompleteRead", address=address) from None
    except (OSError, HTTPException, ValueError) as error:
        is_aborted = connection.is_reused and not connection.has_received
        kind = Aborted if is_aborted else Broken
        raise kind(type(error).__name__, address=address) from None


@contextmanager
def _closing_on_error(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
