"""A local imitation of a vendor: validates requests strictly and can fail on demand."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.message import Message
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from providers.contract.base import Access

V = TypeVar("V", bound="Vendor")


class Fault(Enum):
    """Faults of a vendor's response to a speech request."""

    RATE = "429"
    RATE_AFTER = "429 with Retry-After"
    BROKEN = "500"
    BUSY = "503"
    REDIRECT = "302"
    TRUNCATED = "the response is incomplete"
    RESET = "the connection is reset"
    HTML = "a web page with its own type"
    DISGUISED = "a web page with the type of audio"
    EMPTY = "200 and an empty body"
    INSIDE = "200 with an error inside"
    DRIP = "headers byte by byte"
    TRICKLE = "valid headers, and a body byte by byte"
    JSON = "JSON of an error with status 200"


@dataclass
class Asked:
    """A received request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Message
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/json"
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    def is_get(self, path: str) -> bool:
        return (self.method, self.path) == ("GET", path) and not self.body


@dataclass
class Reply:
    """A response; parts are sent in chunks."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(status, body=json.dumps(value).encode())


def spoiled(reply: Reply, wrong: object, *, whole: bool) -> Reply:
    """Replace values in a JSON reply by `wrong`.

    With `whole` that replaces whole lists, else all values in them but audio. The types of
    events stay.
    """
    if reply.content_type not in ("application/json", "text/event-stream"):
        return reply
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    lines = []
    for line in body.splitlines():
        head = b"data: " if line.startswith(b"data: ") else b""
        if line:
            value = _spoil(json.loads(line[len(head) :]), wrong, whole)
            line = head + json.dumps(value).encode()
        lines.append(line)
    return replace(reply, body=b"\n".join(lines) + b"\n")


def _spoil(value: object, wrong: object, whole: bool) -> object:
    if isinstance(value, dict):
        return {
            key: inner if key == "type" else _spoil(inner, wrong, whole)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return wrong if whole else [_spoil(inner, wrong, whole) for inner in value]
    is_audio = isinstance(value, str) and len(value) > 200
    return value if is_audio or whole else wrong


def parts(data: bytes, size: int = 8192) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class Vendor:
    """A vendor's API. Subclasses assert what the vendor documents."""

    key = "k3y-of-a-test"
    region = ""
    voice = ""  # a voice that the vendor has
    lists_voices = True

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.asked: list[Asked] = []
        self.spoken: list[str] = []
        self.wrong: list[str] = []
        self.url = ""
        self.connections = 0
        # `keeps_open`: whether the connection stays open for another request.
        # `is_impatient`: whether it then closes, as if that request came too late.
        self.keeps_open = False
        self.is_impatient = False

    @property
    def access(self) -> Access:
        return Access(self.key, self.url + self.base_path, self.region)

    base_path = ""

    def reply(self, asked: Asked) -> Reply:
        """Return the response; raise AssertionError if the vendor doesn't document it."""
        raise NotImplementedError

    def is_speech(self, asked: Asked) -> bool:
        return asked.method == "POST"

    def has_key(self, asked: Asked) -> bool:
        return asked.headers["Authorization"] == f"Bearer {self.key}"

    def refuse(self, status: int, code: str) -> Reply:
        """Return an error of the vendor's; `code` is `bad_key`, `rate` or `server`."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        fault = self.fault if self.is_speech(asked) else None
        if fault in (Fault.RATE, Fault.RATE_AFTER):
            reply = self.refuse(429, "rate")
            if fault is Fault.RATE_AFTER:
                reply.headers["Retry-After"] = "7"
            return reply
        if fault in (Fault.BROKEN, Fault.BUSY):
            return self.refuse(500 if fault is Fault.BROKEN else 503, "server")
        if fault is Fault.REDIRECT:
            return Reply(302, headers={"Location": f"{self.url}/elsewhere"})
        if fault in (Fault.HTML, Fault.DISGUISED):
            kind = "text/html" if fault is Fault.HTML else "audio/mpeg"
            return Reply(
                200, kind, b"<!doctype html><h1>Welcome to the airport</h1>" * 9
            )
        if fault is Fault.JSON:
            return json_reply({"status": "ok", "message": "Come back later."})
        if fault is Fault.EMPTY:
            return Reply(200, "audio/mpeg")
        if fault is Fault.INSIDE:
            reply = self.refuse(200, "server")
            reply.status = 200
            return reply
        if not self.has_key(asked):
            return self.refuse(401, "bad_key")
        try:
            return self.reply(asked)
        except AssertionError as error:
            self.wrong.append(f"{asked.method} {asked.path}: {error!r}")
            return self.refuse(400, "bad_request")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        vendor = self.server.vendor
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        query = parse_qs(target.query, keep_blank_values=True, strict_parsing=False)
        asked = Asked(self.command, unquote(target.path), query, self.headers, body)
        reply = vendor.answer(asked)
        speaks = vendor.is_speech(asked)
        self.answered += 1
        if vendor.is_impatient and self.answered > 1:
            self._reset()
            return
        if vendor.fault is Fault.DRIP and speaks:
            self._drip()
            return
        self.send_response(reply.status)
        if not vendor.keeps_open or vendor.fault is not None:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if vendor.fault is Fault.TRICKLE and speaks:
            self.end_headers()
            while not self.server.is_over.wait(0.02):
                self.wfile.write(b"R")
            return
        if isinstance(reply.body, bytes):
            breaks = vendor.fault in (Fault.TRUNCATED, Fault.RESET) and speaks
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            half = len(reply.body) // 2
            self.wfile.write(reply.body[:half] if breaks else reply.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number, part in enumerate(reply.body):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                if vendor.fault in (Fault.TRUNCATED, Fault.RESET) and number == 1:
                    break
            else:
                self.wfile.write(b"0\r\n\r\n")
        if vendor.fault is Fault.RESET and speaks:
            self._reset()

    def _reset(self) -> None:
        now = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self.connection.close()
        self.close_connection = True

    def _drip(self) -> None:
        while not self.server.is_over.wait(0.02):
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\n" if not self.close_connection else b"x"
            )
            self.close_connection = True

    def setup(self) -> None:
        super().setup()
        self.answered = 0
        self.server.vendor.connections += 1

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # the client has left
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.vendor = vendor
        self.is_over = threading.Event()


@contextmanager
def serving(vendor: V) -> Iterator[V]:
    """Run `vendor` until the block ends, then assert that all requests were valid."""
    server = _Server(vendor)
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
    assert vendor.wrong == []


def wait_for(condition: Any) -> None:
    """Wait until `condition()` holds."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
