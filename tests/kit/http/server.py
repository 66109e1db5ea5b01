"""A server on the loopback interface that answers each request by a script."""

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from tests.kit.http import certificates

OK = b"HTTP/1.1 200 OK\r\nContent-Type: Audio/MPEG; x=1\r\n"


@dataclass
class Request:
    """A request as it was received."""

    head: str
    body: bytes
    connection: int  # which of those that were accepted, from 1

    @property
    def lines(self) -> list[str]:
        return self.head.split("\r\n")


@dataclass
class Peer:
    """The other end of a connection, for a script."""

    channel: socket.socket
    server: "Server"
    request: Request

    def send(self, data: bytes) -> None:
        self.channel.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send single bytes slowly, until the other side closes or the test ends."""
        for place in range(len(data)):
            self.send(data[place : place + 1])
            if self.server.is_over.wait(0.02):
                return

    def finish(self) -> None:
        """Shut down the sending side."""
        self.channel.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()

    def reset(self) -> None:
        """End the connection with RST."""
        now = struct.pack("ii", 1, 0)
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self.channel.close()


Script: TypeAlias = Callable[[Peer], None]


def answer(body: bytes = b"hello", *headers: str, status: int = 200) -> Script:
    """Answer, and wait for the next request on the same connection."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    head = "\r\n".join([*lines, "", ""]).encode()
    return lambda peer: peer.send(head + body)


def sending(data: bytes) -> Script:
    """Send `data` and shut down the sending side."""

    def action(peer: Peer) -> None:
        peer.send(data)
        peer.finish()

    return action


def dripping(head: bytes, rest: bytes) -> Script:
    """Send `head` at once and `rest` by drips."""

    def action(peer: Peer) -> None:
        peer.send(head)
        peer.drip(rest)

    return action


def reset(peer: Peer) -> None:
    """Reset the connection instead of answering."""
    peer.reset()


def hang_up(peer: Peer) -> None:
    """Close the connection instead of answering."""
    peer.close()


class Server:
    """Listens on the loopback interface; plays a script per request, the last for ever."""

    def __init__(
        self,
        *scripts: Script,
        context: ssl.SSLContext | None = None,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.requests: list[Request] = []
        self.accepted = 0
        self.open = 0  # connections that have not ended
        self.hung_up = threading.Event()  # by the client, some connection
        self.is_over = threading.Event()
        self._scripts = list(scripts)
        self._context = context
        self._lock = threading.Lock()
        self._channels: list[socket.socket] = []
        self._listening = socket.create_server(address)
        self.port = self._listening.getsockname()[1]
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://localhost:{self.port}/path?a=1"
        threading.Thread(target=self._accept, daemon=True).start()

    def close_idle(self) -> None:
        """Close all connections, as a server does with idle ones."""
        with self._lock:
            for channel in self._channels:
                with suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening and close all connections."""
        self.is_over.set()
        with suppress(OSError):  # wakes the thread that accepts
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.close_idle()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                channel, _ = self._listening.accept()
                channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self.accepted += 1
                    self.open += 1
                    self._channels.append(channel)
                    number = self.accepted
                threading.Thread(
                    target=self._serve, args=(channel, number), daemon=True
                ).start()

    def _serve(self, channel: socket.socket, number: int) -> None:
        try:
            with suppress(OSError), closing(self._secured(channel)) as secured:
                while request := _received(secured, number):
                    with self._lock:
                        self.requests.append(request)
                        several = len(self._scripts) > 1
                        play = self._scripts.pop(0) if several else self._scripts[0]
                    play(Peer(secured, self, request))
        finally:
            with self._lock:
                self.open -= 1
            self.hung_up.set()

    def _secured(self, channel: socket.socket) -> socket.socket:
        if self._context is None:
            return channel
        secured = self._context.wrap_socket(channel, server_side=True)
        with self._lock:
            self._channels.append(secured)
        return secured


def _received(channel: socket.socket, number: int) -> Request | None:
    """Receive a request, head and body; None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := channel.recv(65_536)):
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    while length and len(body) < int(length[1]):
        if not (part := channel.recv(65_536)):
            return None
        body += part
    return Request(head.decode("latin-1"), body, number)


@contextmanager
def serving(
    *scripts: Script,
    is_secure: bool = False,
    names: tuple[str, ...] = ("localhost", "127.0.0.1"),
    address: tuple[str, int] = ("127.0.0.1", 0),
) -> Iterator[Server]:
    """Run a server while the block does; a secure one has a certificate for `names`."""
    server = Server(
        *(scripts or (answer(),)),
        context=certificates.serving(*names) if is_secure else None,
        address=address,
    )
    try:
        yield server
    finally:
        server.close()


@contextmanager
def dripping_proxy(port: int) -> Iterator[tuple[int, threading.Event]]:
    """Pass on what a server sends; by drips, once the event is set. Gives its own port."""
    is_slow, is_over = threading.Event(), threading.Event()

    def forward(source: socket.socket, target: socket.socket, drips: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                while data and not is_over.is_set():
                    count = 1 if drips and is_slow.is_set() else len(data)
                    target.sendall(data[:count])
                    data = data[count:]
                    if drips and is_slow.wait(0):
                        is_over.wait(0.02)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", port))
                opened.extend((near, far))
                for ends in ((near, far, False), (far, near, True)):
                    threading.Thread(target=forward, args=ends, daemon=True).start()

    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listening.getsockname()[1], is_slow
        finally:
            is_over.set()
            for one in (listening, *opened):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
