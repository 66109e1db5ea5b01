"""A connection to one server, plain or with TLS, whose every wait is limited by a `Clock`.

TLS runs in memory (`ssl.MemoryBIO`) on top of the plain socket. So the timeout also holds
for a server that sends a record or a handshake byte by byte, and under gevent, whose TLS
sockets restart their timeout with each byte.
"""

import io
import os
import socket
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import certifi

from kit.http.addresses import IPAddress
from kit.http.clock import Clock
from kit.http.errors import Broken, TimedOut, TLSFailed, TooLong, Unreachable

PART = 16 * 1024  # most bytes read at once; also the size of a TLS record
_RECEIVED = 2 * PART  # most bytes received from the socket at once, with TLS


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """Return the TLS context that checks certificates; cached, as it reads a CA file."""
    return ssl.create_default_context(cafile=certifi.where())


class Connection:
    """A connection on which requests are sent one after the other."""

    def __init__(self, channel: socket.socket, address: str, clock: Clock) -> None:
        self.address = address
        self.process = os.getpid()
        self.looked_up_at = time.monotonic()
        self.reader = _Reader(_Incoming(self), PART)
        self.is_reused = False  # whether another request was sent before this one
        self.has_sent = False  # whether any byte of the request was sent
        self.has_sent_all = False
        self.has_received = False  # whether any byte of the response was received
        self._channel = channel
        self._clock: Clock | None = clock  # None between requests
        self._may_receive = 0  # bytes
        self._is_waiting = False  # whether there was nothing to receive
        self._tls: ssl.SSLObject | None = None
        self._packed, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()

    def begin(self, clock: Clock) -> None:
        """Begin a request whose waits are limited by `clock`."""
        self._clock = clock
        self.has_sent = self.has_sent_all = self.has_received = False

    def allow(self, count: int) -> None:
        """Limit the bytes still to be received; more raise `TooLong`."""
        self._may_receive = count

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Start TLS and check the certificate for the name `host`."""
        self._tls = context.wrap_bio(self._packed, self._to_send, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive_packed()
            else:
                self._flush()
                return

    def send(self, data: bytes) -> None:
        """Send all of `data` within the time left."""
        rest = memoryview(data)
        while rest:
            if self._tls is None:
                rest = rest[self._send_some(rest[:PART]) :]
            else:
                rest = rest[self._tls.write(rest[:PART]) :]
                self._flush()

    def receive(self, buffer: Any) -> int | None:
        """Receive bytes into `buffer`, wait for them if need be; return their number.

        0 means that the server has closed the connection. None is returned only between
        requests, and means that nothing was received.
        """
        if self._clock is not None:
            if not self._may_receive:
                raise TooLong(was_sent=True)
            buffer = memoryview(buffer)[: self._may_receive]
        count = self._receive_some(buffer)
        if count:
            self.has_received = True
            self._may_receive -= count
        return count

    def is_usable(self) -> bool:
        """Return whether the server has neither closed nor sent unexpected bytes.

        Does not wait. Call it between requests only.
        """
        self._clock = None
        try:
            # Peek at the rest of the last response, or else at what can be received now.
            return not self.reader.peek(1) and self._is_waiting
        except OSError:
            return False

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the buffered reader; HTTPResponse calls this method of a socket."""
        return self.reader

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()

    def _receive_some(self, buffer: Any) -> int | None:
        if self._tls is None:
            return self._wait_and_receive(buffer)
        while True:
            try:
                return cast(int, self._tls.read(len(buffer), buffer))
            except ssl.SSLWantReadError:
                if self._clock is not None:
                    self._flush()  # TLS may have a message of its own to send
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return 0
            if not self._receive_packed():
                return None

    def _receive_packed(self) -> bool:
        """Receive bytes for TLS to decrypt; return False if nothing was received."""
        packed = bytearray(_RECEIVED)
        count = self._wait_and_receive(packed)
        if count:
            self._packed.write(memoryview(packed)[:count])
        elif count == 0:
            self._packed.write_eof()
        return count is not None

    def _wait_and_receive(self, buffer: Any) -> int | None:
        if self._clock is None:
            self._channel.settimeout(0)
            self._is_waiting = False
            try:
                return self._channel.recv_into(buffer)
            except BlockingIOError:
                self._is_waiting = True
                return None
        with self._clock.waiting() as seconds:
            self._channel.settimeout(seconds)
            return self._channel.recv_into(buffer)

    def _flush(self) -> None:
        """Send what TLS has encrypted."""
        rest = memoryview(self._to_send.read())
        while rest:
            rest = rest[self._send_some(rest) :]

    def _send_some(self, data: memoryview) -> int:
        assert self._clock is not None
        with self._clock.waiting() as seconds:
            self._channel.settimeout(seconds)
            count = self._channel.send(data)
        self.has_sent = True
        return count


class _Incoming(io.RawIOBase):
    """The raw stream of a connection, below its buffered reader."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        """Return True, as BufferedReader requires."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive into `buffer`: see `Connection.receive`."""
        return self._connection.receive(buffer)


class _Reader(io.BufferedReader):
    """A reader that stays open between responses, with the bytes that follow one."""

    def close(self) -> None:
        """Do nothing: each response closes the reader it was read from."""


def connect(
    host: str,
    port: int,
    found: Sequence[IPAddress],
    clock: Clock,
    context: ssl.SSLContext | None,
) -> Connection:
    """Connect to the first of the addresses `found` that accepts; with TLS by `context`.

    Raises:
        Unreachable, TimedOut, TLSFailed, Broken
    """
    connection = Connection(*_connected(host, port, found, clock), clock)
    try:
        if context is not None:
            connection.secure(context, host)
    except BaseException as error:
        connection.close()
        name, address = type(error).__name__, connection.address
        if isinstance(error, TimeoutError):
            raise TimedOut(name, address=address) from error
        if isinstance(error, ssl.SSLError | ssl.CertificateError):
            raise TLSFailed(name, address=address) from error
        if isinstance(error, OSError):
            raise Broken(name, address=address) from error
        raise
    return connection


def _connected(
    host: str, port: int, found: Sequence[IPAddress], clock: Clock
) -> tuple[socket.socket, str]:
    refusal: OSError | None = None
    for number, address in enumerate(found):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        channel = socket.socket(family, socket.SOCK_STREAM)
        try:
            with clock.waiting() as seconds:
                # Share the time, so that an address that is silent leaves some for others.
                channel.settimeout(seconds / (len(found) - number))
                channel.connect((str(address), port))
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            channel.close()
            refusal = error
        except BaseException:
            channel.close()
            raise
        else:
            return channel, str(address)
    if isinstance(refusal, TimeoutError):
        raise TimedOut(host) from refusal
    raise Unreachable(f"{host}: {type(refusal).__name__}") from refusal
