"""The gunicorn worker of the web processes: threads, and a main loop for slow clients.

A thread gets a request when all of it has arrived, and is free again when the response is
produced: a client that sends or reads slowly occupies only a socket. Gunicorn's parser and
its processing of a request (module `gthread` of the pinned version) are used unchanged.
docs/decisions/0013-web-worker.md has the reasons.
"""

import json
import select
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn import http
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from config.settings import BODY_LIMITS, STREAMED_BODIES
from config.web.receive_buffer import IN_MEMORY, ReceiveBuffer
from config.web.send_buffer import SendBuffer
from kit.errors import AppError, Overloaded, RequestTimeout
from kit.ids import new_id

_RECEIVED = 64 * 1024  # bytes per call of recv
_LINGER = 5.0  # seconds in which further bytes of a refused request are discarded
_CHECK_INTERVAL = 0.5  # seconds between two checks of the deadlines


class Connection:
    """A client's connection, with its current request and response."""

    def __init__(
        self, client: socket.socket, peer: Any, server: Any, wake: Callable[[Any], None]
    ) -> None:
        self.socket = client
        # The names of the next three are those of gunicorn's connections.
        self.client = peer
        self.server = server
        self.sock = SendBuffer(client, partial(wake, self))
        self.received: ReceiveBuffer
        self.in_thread = False
        self.leftover: bytes | None = None
        """Bytes of the next request that have arrived; None: close after this one."""
        self.since = 0.0  # start of the current wait, by the monotonic clock
        self.sent_before = 0  # bytes sent before the current wait


class _ParserInput:
    """What gunicorn's parser reads from: the received bytes, then a stream's socket."""

    def __init__(self, connection: Connection, idle_seconds: float) -> None:
        self._connection = connection
        self._idle_seconds = idle_seconds

    def recv(self, size: int) -> bytes:
        """Return the next bytes, or b"" at the end.

        Raises:
            TimeoutError: a streamed body has paused for too long.
        """
        received = self._connection.received
        if data := received.read(size):
            return data
        if not received.is_streamed:
            return b""
        client = self._connection.socket
        poll = select.poll()
        poll.register(client, select.POLLIN)
        if not poll.poll(self._idle_seconds * 1000):
            raise TimeoutError
        return client.recv(size)


class _StreamedBody:
    """`wsgi.input` of a streamed body: a read returns what has arrived so far.

    Gunicorn's own reader would wait until it has as many bytes as were requested.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._rest = b""

    def read(self, size: int = 65_536) -> bytes:
        """Wait for at least one byte; return up to `size` bytes, or b"" at the end.

        Raises:
            TimeoutError: the client has paused for too long.
        """
        data = self._rest or self._next()
        self._rest = data[size:]
        return data[:size]

    def _next(self) -> bytes:
        reader = self._reader
        if isinstance(reader, ChunkedReader):
            return next(filter(None, reader.parser), b"")
        if not reader.length:
            return b""
        data: bytes = reader.unreader.read(None, read_ahead=reader.length)
        data = data[: reader.length]
        reader.length -= len(data)
        return data


class Worker(ThreadWorker):  # type: ignore[misc]
    """Reads requests and sends responses in its main loop; threads do the rest."""

    head_seconds = 10.0
    """Time for the head of a request."""
    body_seconds = 20.0
    """Time for a body; each `min_rate` bytes that arrive add a second."""
    send_seconds = 20.0
    """Time for the client to read what waits; each `min_rate` bytes add a second."""
    min_rate = 1024
    stream_idle_seconds = 30.0
    """Longest pause in a streamed body."""
    max_stored = 256 * 1024 * 1024
    """Bytes of long requests on disk, until they are answered."""
    large = 128 * 1024
    """A request of more bytes is processed in one of `large_threads`, to limit memory."""
    large_threads = 8
    limit = max(BODY_LIMITS.values())
    streamed = frozenset(path.encode() for path in STREAMED_BODIES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The clients that the main loop waits for, oldest first.
        self._receiving: dict[Connection, None] = {}
        self._lingering: dict[Connection, None] = {}
        self._sending: dict[Connection, None] = {}
        self._stored: dict[Connection, int] = {}  # bytes of each long request
        self._total_stored = 0
        self._checked_at = 0.0
        self._large_pool: ThreadPoolExecutor

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Create both thread pools; called in the worker process."""
        self._large_pool = ThreadPoolExecutor(self.large_threads)
        return ThreadPoolExecutor(self.cfg.threads)

    # --- Receiving, in the main loop ---------------------------------------------------

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting connections; a worker that stops closes its listeners.

        Otherwise the kernel would let new clients wait until the last request is answered,
        and then reset them. Clients that are already connected are accepted first.
        """
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                for _ in range(self.cfg.backlog):
                    if not self.accept(listener):
                        break
                listener.close()

    def accept(self, listener: Any) -> bool:
        """Accept a connection, if there is one, and return whether there was.

        If there are too many, the one that has been waited for the longest is closed.
        """
        try:
            client, peer = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:  # no free file descriptor, for example
            self.log.warning("Can't accept a connection: %s", error)
            self._close_oldest()
            return False
        client.setblocking(False)
        connection = Connection(client, peer, listener.getsockname(), self._wake)
        self.nr_conns += 1
        self._expect_request(connection)
        if self.nr_conns >= self.worker_connections:
            self._close_oldest()
        return True

    def _expect_request(self, connection: Connection, first: bytes = b"") -> None:
        """Wait for the next request of a client, which starts with `first`."""
        connection.received = ReceiveBuffer(
            self.limit, self.streamed, self.cfg.worker_tmp_dir
        )
        connection.since = time.monotonic()
        self._receiving[connection] = None
        self.poller.register(
            connection.socket, EVENT_READ, partial(self._receive, connection)
        )
        if first:
            self._add(connection, first)
        else:
            self._receive(connection)  # most requests have arrived by now

    def _receive(self, connection: Connection, _: Any = None) -> None:
        data = _recv(connection.socket)
        if data:
            self._add(connection, data)
        elif data is not None:
            self._drop(connection)

    def _add(self, connection: Connection, data: bytes) -> None:
        received = connection.received
        if not received.size:
            connection.since = time.monotonic()
            # Idle connections are older than those that send a request.
            self._receiving[connection] = self._receiving.pop(connection)
        had_head = received.body_start is not None
        try:
            received.feed(data)
        except AppError as refusal:
            self._refuse(connection, refusal)
            return
        if received.size > IN_MEMORY:
            self._count_stored(connection)
            if connection not in self._receiving:
                return
        if received.is_ready:
            self._stop_receiving(connection)
            received.rewind()
            connection.in_thread = True
            self.enqueue_req(connection)
        elif not had_head and received.body_start is not None:
            connection.since = time.monotonic()
            if received.wants_continue:
                with suppress(OSError):
                    connection.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _count_stored(self, connection: Connection) -> None:
        """Count the bytes of a long request; refuse the oldest one if there are too many.

        Only incomplete requests are refused; the newest of them is this one.
        """
        size = connection.received.size
        self._total_stored += size - self._stored.get(connection, 0)
        self._stored[connection] = size
        while self._total_stored > self.max_stored:
            oldest = next(one for one in self._stored if one in self._receiving)
            self._refuse(oldest, Overloaded())
            if oldest is connection:
                break

    def _forget_stored(self, connection: Connection) -> None:
        self._total_stored -= self._stored.pop(connection, 0)

    def _stop_receiving(self, connection: Connection) -> None:
        del self._receiving[connection]
        self.poller.unregister(connection.socket)

    def _close_oldest(self) -> None:
        """Close the connection that has been waited for the longest."""
        waiting = (self._receiving, self._lingering, self._sending)
        oldest = [next(iter(connections)) for connections in waiting if connections]
        if oldest:
            connection = min(oldest, key=lambda one: one.since)
            if connection in self._sending:
                self._abort_sending(connection)
            else:
                self._drop(connection)

    # --- In a thread -------------------------------------------------------------------

    def enqueue_req(self, connection: Connection) -> None:
        """Give the request to a thread."""
        is_large = connection.received.size > self.large
        pool = self._large_pool if is_large else self.tpool
        future = pool.submit(self.handle, connection)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, connection, done)
        )

    def handle(self, connection: Connection) -> bytes | None:
        """Process a request; return the first bytes of the next one, or None to close."""
        received = connection.received
        source = _ParserInput(connection, self.stream_idle_seconds)
        parser = http.get_parser(self.cfg, source, connection.client)
        request = None
        try:
            request = next(parser)
            # The main loop has sent 100 Continue, except for a stream.
            request._expected_100_continue &= received.is_streamed
            if not received.is_complete:
                request.force_close()
            if received.is_streamed:
                request.body = _StreamedBody(request.body.reader)
            if self.handle_request(request, connection) and parser.finish_body():
                return bytes(parser.unreader.take_buffered() + received.read())
        except (StopIteration, NoMoreData):
            pass  # the request is incomplete
        except OSError as error:
            self.log.debug("A client disconnected: %r", error)
        except Exception as error:  # noqa: BLE001 - it logs, and answers 400 or 500
            self.handle_error(request, connection.sock, connection.client, error)
        return None

    # --- Sending, in the main loop -----------------------------------------------------

    def _wake(self, connection: Connection) -> None:
        """Start sending what waits; called by threads."""
        self.method_queue.defer(self._start_sending, connection)

    def _start_sending(self, connection: Connection) -> None:
        if connection.sock and connection not in self._sending:
            connection.since = time.monotonic()
            connection.sent_before = connection.sock.sent
            self._sending[connection] = None
            self.poller.register(
                connection.socket, EVENT_WRITE, partial(self._send, connection)
            )

    def _send(self, connection: Connection, _: Any = None) -> None:
        try:
            connection.sock.flush()
        except OSError:
            connection.sock.abort()
        if not connection.sock:
            del self._sending[connection]
            self.poller.unregister(connection.socket)
            if not connection.in_thread:
                self._continue(connection)

    def _abort_sending(self, connection: Connection) -> None:
        connection.sock.abort()
        self._send(connection)

    def finish_request(self, connection: Connection, done: "Future[Any]") -> None:
        """Continue with a connection after its thread; called in the main loop."""
        has_result = not done.cancelled() and done.exception() is None
        connection.leftover = done.result() if has_result else None
        connection.in_thread = False
        if not connection.sock:
            self._continue(connection)

    def _continue(self, connection: Connection) -> None:
        """Wait for the next request, or close, after the response is sent."""
        self._forget_stored(connection)
        if connection.leftover is not None and not connection.sock.is_broken:
            connection.received.close()
            self._expect_request(connection, connection.leftover)
        elif connection.received.is_complete or connection.sock.is_broken:
            self._close(connection)
        else:
            self._linger(connection)

    # --- Closing, in the main loop -----------------------------------------------------

    def _refuse(self, connection: Connection, refusal: AppError) -> None:
        """Send an error response for an incomplete request, and close."""
        body = {
            "code": refusal.code,
            "detail": str(refusal),
            "params": refusal.params,
        }
        content = json.dumps(body).encode()
        status = HTTPStatus(refusal.status)
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            f"X-Request-Id: {new_id()}",
            *(f"{name}: {value}" for name, value in refusal.headers.items()),
        ]
        self._stop_receiving(connection)
        self._forget_stored(connection)
        with suppress(OSError):  # a full socket buffer: the client reads slowly, too
            connection.socket.send("\r\n".join([*head, "", ""]).encode() + content)
        self._linger(connection)

    def _linger(self, connection: Connection) -> None:
        """Discard what still arrives: closing at once could destroy the response."""
        connection.received.close()
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.since = time.monotonic()
        self._lingering[connection] = None
        self.poller.register(
            connection.socket, EVENT_READ, partial(self._discard, connection)
        )

    def _discard(self, connection: Connection, _: Any = None) -> None:
        if _recv(connection.socket) == b"":
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        """Close a connection that is receiving or lingering."""
        if connection in self._receiving:
            self._stop_receiving(connection)
        else:
            del self._lingering[connection]
            self.poller.unregister(connection.socket)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        self.nr_conns -= 1
        self._forget_stored(connection)
        connection.sock.abort()
        connection.received.close()
        connection.socket.close()

    def murder_pending(self) -> None:
        """Check all deadlines. Gunicorn's main loop calls this method by this name."""
        now = time.monotonic()
        if now - self._checked_at < _CHECK_INTERVAL:
            return
        self._checked_at = now
        for connection in list(self._receiving):
            if now > connection.since + self._time_for(connection.received):
                if connection.received.size:
                    self._refuse(connection, RequestTimeout())
                else:
                    self._drop(connection)
        for connection in list(self._lingering):
            if now > connection.since + _LINGER:
                self._drop(connection)
        for connection in list(self._sending):
            read = connection.sock.sent - connection.sent_before
            if now > connection.since + self.send_seconds + read / self.min_rate:
                self._abort_sending(connection)

    def _time_for(self, received: ReceiveBuffer) -> float:
        """Return the seconds allowed for the part of a request that is arriving."""
        if not received.size:
            return float(self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
        if received.body_start is None:
            return self.head_seconds
        arrived = received.size - received.body_start
        return self.body_seconds + arrived / self.min_rate


def _recv(client: socket.socket) -> bytes | None:
    """Return what has arrived; None if nothing has, b"" if the client disconnected."""
    try:
        return client.recv(_RECEIVED)
    except BlockingIOError:
        return None
    except OSError:
        return b""
