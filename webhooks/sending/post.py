"""One POST to an address that a stranger chose.

It ends at its deadline whatever the other side does, follows no redirect, uses no proxy,
unpacks nothing, and reads little. It connects to an address that was vetted a moment
before, without a second look-up; TLS still checks the name.
"""

import contextlib
import io
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

import certifi

from webhooks.errors import UnusableURL
from webhooks.models import Attempt
from webhooks.sending.addresses import IPAddress, Target, Unreachable, parse, resolve

DEADLINE = 15.0
"""Seconds for all of it: look-up, connection, request and answer."""
_CONNECT = 5.0  # seconds for one address
_LONGEST_HEAD = 16 * 1024  # bytes before the answer's body
_MOST_READ = 16 * 1024  # bytes of the answer's body
_KEPT = 2 * 1024  # bytes of it that are remembered

logger = logging.getLogger(__name__)
Failure = Attempt.Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: a status, or else a failure."""

    duration_ms: int
    address: str = ""  # that was connected to; empty if none was
    status: int | None = None
    failure: str = ""  # an Attempt.Failure
    retry_after: str = ""  # the header, as it came
    answer: str = ""  # beginning of the body


@dataclass(slots=True)
class _Call:
    """What is known of a call so far, however it ends."""

    ends_at: float  # by the monotonic clock
    is_over: bool = False
    address: str = ""
    status: int | None = None
    retry_after: str = ""
    answer: bytearray = field(default_factory=bytearray)

    @property
    def left(self) -> float:
        """Seconds until the end, at least a moment: a timeout of 0 means something else."""
        return max(self.ends_at - time.monotonic(), 0.001)


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, deadline: float
) -> Outcome:
    """Send `body` to `url` and say what came of it; nothing is raised.

    The status decides: an answer whose body never ends is an answer all the same.
    """
    began = time.monotonic()
    call = _Call(began + deadline)
    failure = ""
    try:
        target = parse(url)
        with _ending(_connect(target, resolve(target), call), call) as connected:
            _exchange(_secured(connected, target), target, body, headers, call)
    except UnusableURL:
        failure = Failure.URL
    except Unreachable as error:
        # Why is for us alone: told to customers, it would map our network.
        logger.info("webhook: %s", error)
        failure = Failure.UNREACHABLE
    except (OSError, HTTPException, ValueError) as error:
        logger.info("webhook: %s: %r", target.host, error)
        failure = _why(error, call)
    return Outcome(
        duration_ms=round((time.monotonic() - began) * 1000),
        address=call.address,
        status=call.status,
        failure=failure if call.status is None else "",
        retry_after=call.retry_after,
        answer=_readable(call.answer),
    )


def _connect(
    target: Target, addresses: Sequence[IPAddress], call: _Call
) -> socket.socket:
    """Connect to the first address that answers."""
    refusal: OSError = Unreachable(f"{target.host} has no address")
    for address in addresses:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.settimeout(min(_CONNECT, call.left))
        try:
            opened.connect((str(address), target.port))
        except OSError as error:
            opened.close()
            refusal = error
            continue
        call.address = str(address)
        return opened
    raise refusal


@contextlib.contextmanager
def _ending(connected: socket.socket, call: _Call) -> Iterator[socket.socket]:
    """End the connection with the block, or at the call's end, whichever is first.

    A socket's timeout starts again with each byte that arrives, so a peer that drips
    would hold us for ever; a connection that is shut down ends every wait on it. That is
    done to a copy of the socket, since TLS takes over the socket itself.
    """
    copy = connected.dup()

    def end() -> None:
        call.is_over = True
        with contextlib.suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(call.left, end)
    timer.daemon = True
    timer.start()
    try:
        yield connected
    finally:
        timer.cancel()
        copy.close()
        connected.close()


def _secured(connected: socket.socket, target: Target) -> socket.socket:
    """Return the connection with TLS on it where the URL says so."""
    if target.scheme != "https":
        return connected
    return tls().wrap_socket(connected, server_hostname=target.host)


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """Return what checks certificates; made once, since it reads a file of them."""
    return ssl.create_default_context(cafile=certifi.where())


def _exchange(
    channel: socket.socket,
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    call: _Call,
) -> None:
    """Send the request and note the answer as it comes."""
    channel.settimeout(call.left)
    connection = HTTPConnection(target.host, target.port)
    connection.response_class = _ShortAnswer
    connection.sock = channel
    with contextlib.closing(connection):
        with contextlib.suppress(BrokenPipeError):  # it has answered before it has read
            connection.request(
                "POST",
                target.path,
                body,
                {"Host": target.authority, **headers, "Connection": "close"},
            )
        answer: HTTPResponse = connection.getresponse()
        if call.is_over:  # a head that was cut off looks like a whole one
            raise TimeoutError
        call.status = answer.status
        call.retry_after = answer.headers.get("Retry-After", "")
        while part := answer.read1(_MOST_READ - len(call.answer)):
            call.answer += part


class _ShortAnswer(HTTPResponse):
    """An answer of which only so much is read, its head included.

    Without a limit, a peer could send heads of megabytes, or announce its answer again
    and again (100 Continue), and keep a processor busy until the deadline.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Limited(self.fp, _LONGEST_HEAD + _MOST_READ))

    def begin(self) -> None:
        """Read the head of the answer, past those that announce one (RFC 9110 §15.2)."""
        super().begin()
        while self.status < 200:  # 103 Early Hints; the base class knows 100 alone
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Limited(io.RawIOBase):
    """Reads from another stream until so many bytes have come, then fails."""

    def __init__(self, source: io.BufferedReader, most: int) -> None:
        self._source = source
        self._left = most

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, at most what is left.

        Raises:
            HTTPException: nothing is left.
        """
        if not self._left:
            raise HTTPException("the answer is too long")
        view = memoryview(buffer)[: self._left]
        count = self._source.readinto1(view)
        self._left -= count
        return count

    def close(self) -> None:
        """Close the other stream as well."""
        self._source.close()
        super().close()


def _why(error: Exception, call: _Call) -> Failure:
    """Name the failure that an error means, as much as its owner may know."""
    if call.is_over or isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, ssl.SSLError):
        return Failure.TLS
    return Failure.BROKEN if call.address else Failure.UNREACHABLE


def _readable(answer: bytes | bytearray) -> str:
    """Return the beginning of an answer as text that can be stored."""
    return bytes(answer[:_KEPT]).decode(errors="replace").replace("\0", "\ufffd")
