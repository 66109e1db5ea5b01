"""A customer's server that behaves as its script says, well or badly."""

import gzip
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float = field(default_factory=time.monotonic)


Answer = Callable[[socket.socket], None]


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Answer with a status, headers and a body."""

    def answer(peer: socket.socket) -> None:
        lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers]
        peer.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return answer


def hang(peer: socket.socket) -> None:
    """Send nothing until the client closes the connection."""
    peer.settimeout(30)
    while peer.recv(1024):
        pass


def drip_header(peer: socket.socket) -> None:
    """Send one byte of a header that never ends, again and again."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(peer)


def drip_body(peer: socket.socket) -> None:
    """Send a status, then one byte of the body again and again."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    _drip(peer)


def _drip(peer: socket.socket) -> None:
    for _ in range(600):
        peer.sendall(b"x")
        time.sleep(0.05)


def endless_head(peer: socket.socket) -> None:
    """Send headers as fast as they are taken."""
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-Filler: " + b"a" * 1000 + b"\r\n"
    for _ in range(100_000):
        peer.sendall(line)


def endless_promises(peer: socket.socket) -> None:
    """Announce an answer again and again, as fast as it is taken."""
    for _ in range(1_000_000):
        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def huge(peer: socket.socket) -> None:
    """Send a body of one gigabyte, as much of it as is taken."""
    size = 1_000_000_000
    peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    block = b"a" * 65_536
    for _ in range(size // len(block)):
        peer.sendall(block)


def gzip_bomb(peer: socket.socket) -> None:
    """Send a small body that unpacks to 100 MB."""
    packed = gzip.compress(bytes(100_000_000), 1)
    status(200, "Content-Encoding: gzip", body=packed)(peer)


def reset(peer: socket.socket) -> None:
    """Close the connection with RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(peer: socket.socket) -> None:
    """Answer with something that is not HTTP."""
    peer.sendall(b"220 mail.example.com ESMTP\r\n")


class Receiver(socketserver.ThreadingTCPServer):
    """Listens on the loopback interface; `received` has what came, in order."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []
        self.connections = 0
        self.script: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()

    def url(self, path: str = "/hook") -> str:
        """Return the address of `path`."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def play(self, *answers: Answer, path: str = "/hook") -> None:
        """Answer on `path` with these, one per request; the last goes on for ever."""
        self.script[path] = list(answers)

    def next_answer(self, request: Received) -> Answer:
        """Note `request` and return how to answer it."""
        with self._lock:
            self.received.append(request)
            answers = self.script.get(request.path, [status(200)])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay calm: the other side may hang up whenever it wants."""


class _Handler(socketserver.BaseRequestHandler):
    server: Receiver

    def handle(self) -> None:
        peer: socket.socket = self.request
        peer.settimeout(30)
        self.server.connections += 1
        request = _read(peer)
        if request is not None:
            self.server.next_answer(request)(peer)


def _read(peer: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := peer.recv(65_536)):
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", 0)):
        body += peer.recv(65_536)
    return Received(first.split()[1], headers, body)


@contextmanager
def listening() -> Iterator[Receiver]:
    """Run a receiver while the block does."""
    with Receiver() as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(0.02,), daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
