"""The HTTP layer against servers that do what they please."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from providers.contract import http
from providers.contract.base import Failure, ProviderError, SpeechRequest
from providers.contract.registry import get_provider
from tests.providers.vendors.server import Reply


class Peer:
    """A socket that listens, and what it does with each connection."""

    def __init__(self, act: Callable[["Peer", socket.socket], None]) -> None:
        self.is_over = threading.Event()
        self.received = b""
        self.connections = 0
        self.hung_up = threading.Event()
        self._act = act
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/path?a=1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                with suppress(OSError), closing(connection):
                    self._receive(connection)
                    self._act(self, connection)
                    while connection.recv(65_536):
                        pass
                self.hung_up.set()

    def _receive(self, connection: socket.socket) -> None:
        """Receive a request, head and body."""
        wanted = 1
        while len(self.received) < wanted:
            part = connection.recv(65_536)
            self.received += part
            if not part:
                return
            if b"\r\n\r\n" in self.received:
                head = self.received.partition(b"\r\n\r\n")[0]
                length = re.search(rb"Content-Length: (\d+)", head)
                wanted = len(head) + 4 + (int(length[1]) if length else 0)

    def drip(self, connection: socket.socket, data: bytes) -> None:
        """Send a byte now and then, until the other side has had enough."""
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            if self.is_over.wait(0.02):
                return

    def close(self) -> None:
        self.is_over.set()
        self._listening.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def make(act: Callable[[Peer, socket.socket], None]) -> Peer:
        peers.append(Peer(act))
        return peers[-1]

    yield make
    for one in peers:
        one.close()


def sending(data: bytes) -> Callable[[Peer, socket.socket], None]:
    def act(peer: Peer, connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    return act


def dripping(head: bytes, rest: bytes) -> Callable[[Peer, socket.socket], None]:
    def act(peer: Peer, connection: socket.socket) -> None:
        connection.sendall(head)
        peer.drip(connection, rest)

    return act


def failure(url: str, limits: http.Limits | None = None) -> ProviderError:
    with (
        pytest.raises(ProviderError) as caught,
        http.call("GET", url, {}, limits=limits) as answer,
    ):
        answer.read()
    return caught.value


OK = b"HTTP/1.1 200 OK\r\nContent-Type: Audio/MPEG; x=1\r\n"


def test_a_call_is_one_request(peer):
    server = peer(sending(OK + b"Content-Length: 5\r\n\r\nhello"))
    with http.call("POST", server.url, {"X-Key": "k"}, b"body") as answer:
        assert (answer.status, answer.content_type) == (200, "audio/mpeg")
        assert answer.read() == b"hello"
    head, _, body = server.received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /path?a=1 HTTP/1.1"
    assert sorted(lines[1:]) == [
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Length: 4",
        f"Host: {server.url[7:].partition('/')[0]}",
        "User-Agent: ozvena",
        "X-Key: k",
    ]
    assert body == b"body"


def test_the_environment_names_no_proxy(peer, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = peer(sending(OK + b"Content-Length: 0\r\n\r\n"))
    with http.call("GET", server.url, {}) as answer:
        assert answer.read() == b""


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"", OK + b"X-Pad: " + b"a" * 500),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 500),
        (OK + b"Content-Length: 900\r\n\r\n", b"" + b"a" * 500),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    ],
    ids=["head", "size of a chunk", "body", "continue"],
)
def test_a_drip_ends_at_the_total(peer, head, rest):
    server = peer(dripping(head, rest))
    error = failure(server.url, http.Limits(total=0.3))
    assert error.kind == Failure.TIMEOUT
    assert server.hung_up.wait(10)


def test_calls_without_limits_have_those_around_them(peer):
    server = peer(dripping(OK + b"Content-Length: 900\r\n\r\n", b"a" * 500))
    with http.within(http.Limits(total=0.3)):
        assert failure(server.url).kind == Failure.TIMEOUT
    assert server.hung_up.wait(10)


def test_a_refusal_may_not_drip_for_long(peer, monkeypatch):
    monkeypatch.setattr(http, "_REFUSAL_SECONDS", 0.2)
    head = b"HTTP/1.1 503 No\r\nContent-Length: 900\r\n\r\n"
    server = peer(dripping(head, b"a" * 900))
    with http.call("GET", server.url, {}) as answer:
        assert answer.status == 503
        assert answer.error() is None
    assert server.hung_up.wait(10)


def test_a_server_that_does_not_read_is_left(peer):
    """More than any buffer holds; the request never gets through."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def act() -> None:
            connection, _ = listening.accept()
            with closing(connection):
                is_over.wait(20)

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        with (
            pytest.raises(ProviderError) as caught,
            http.call(
                "POST",
                f"http://127.0.0.1:{port}/",
                {},
                bytes(64 * 1024 * 1024),
                limits=http.Limits(total=0.3),
            ),
        ):
            pass
        is_over.set()
        thread.join(10)
    assert caught.value.kind == Failure.TIMEOUT


def test_the_first_byte_is_one_of_the_body(peer):
    server = peer(dripping(OK + b"Content-Length: 9\r\n\r\n", b""))
    assert failure(server.url, http.Limits(first_byte=0.2)).kind == Failure.TIMEOUT


def test_a_pause_in_the_middle_may_be_too_long(peer):
    server = peer(dripping(OK + b"Content-Length: 9\r\n\r\nabc", b""))
    limits = http.Limits(first_byte=5, quiet=0.2)
    assert failure(server.url, limits).kind == Failure.TIMEOUT


def test_only_waiting_counts(peer):
    body = b"a" * 100_000
    server = peer(sending(OK + b"Content-Length: 100000\r\n\r\n" + body))
    heard = b""
    with http.call("GET", server.url, {}, limits=http.Limits(total=0.5)) as answer:
        for part in answer.parts():
            heard += part
            time.sleep(0.1)  # a listener who takes his time: more than the total
    assert heard == body


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Failure.DOWN),
        (b"hello\r\n\r\n", Failure.DOWN),
        (OK + b"Content-Length: 9\r\n\r\nhello", Failure.BAD_AUDIO),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", Failure.BAD_AUDIO),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Failure.BAD_AUDIO),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", Failure.BAD_AUDIO),
        (OK + b"Content-Encoding: gzip\r\n\r\nhello", Failure.BAD_AUDIO),
        (OK + b"X: y\r\n" * 200 + b"\r\n", Failure.DOWN),
        (OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n", Failure.DOWN),
    ],
)
def test_half_an_answer_is_none(peer, data, kind):
    server = peer(sending(data))
    if data == b"HTTP/1.1 200":
        with http.call("GET", server.url, {}) as answer:
            assert (
                answer.read() == b""
            )  # a head with nothing after it, as HTTP/1.1 has it
        return
    assert failure(server.url).kind == kind
    assert server.connections == 1


def test_a_body_has_a_limit(peer):
    server = peer(sending(OK + b"\r\n" + b"a" * 100_000))
    with (
        pytest.raises(ProviderError) as caught,
        http.call("GET", server.url, {}) as answer,
    ):
        answer.read(50_000)
    assert caught.value.kind == Failure.BAD_AUDIO


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\n\r\nb\n", [b"a", b"", b"b"]),
        (b"x" * 50_000 + b"\ny", [b"x" * 50_000, b"y"]),
    ],
)
def test_lines_are_found_across_parts(peer, body, lines):
    server = peer(sending(OK + b"\r\n" + body))
    with http.call("GET", server.url, {}) as answer:
        assert list(answer.lines()) == lines


def test_a_line_without_end_is_refused(peer, monkeypatch):
    monkeypatch.setattr(http, "_LONGEST_LINE", 1000)
    server = peer(sending(OK + b"\r\n" + b"a" * 100_000))
    with (
        pytest.raises(ProviderError) as caught,
        http.call("GET", server.url, {}) as answer,
    ):
        list(answer.lines())
    assert caught.value.kind == Failure.BAD_AUDIO


def test_closing_early_hangs_up(peer):
    server = peer(dripping(OK + b"\r\n" + b"a" * 1000, b"b" * 100_000))
    with http.call("GET", server.url, {}) as answer:
        parts = answer.parts()
        next(parts)
        parts.close()
    assert server.hung_up.wait(10)


@pytest.mark.parametrize(
    ("url", "headers", "kind"),
    [
        ("ftp://127.0.0.1/", {}, Failure.BAD_REQUEST),
        ("http://", {}, Failure.BAD_REQUEST),
        ("http://127.0.0.1:99999/", {}, Failure.BAD_REQUEST),
        ("http://127.0.0.1:9/", {}, Failure.DOWN),
        ("http://no-such-host.invalid/", {}, Failure.DOWN),
    ],
)
def test_nowhere_to_call(url, headers, kind):
    assert failure(url).kind == kind


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "ключ"])
def test_a_header_stays_one(peer, value):
    server = peer(sending(OK + b"Content-Length: 0\r\n\r\n"))
    with (
        pytest.raises(ProviderError) as caught,
        http.call("GET", server.url, {"X-Key": value}),
    ):
        pass
    assert caught.value.kind == Failure.BAD_REQUEST
    assert value not in str(caught.value)
    assert server.received == b""


def test_a_certificate_is_checked(peer):
    server = peer(sending(OK))
    error = failure(server.url.replace("http://", "https://"))
    assert error.kind == Failure.DOWN


def test_a_handshake_has_a_limit(peer):
    server = peer(dripping(b"\x16\x03\x03\x40\x00", bytes(500)))
    url = server.url.replace("http://", "https://")
    assert failure(url, http.Limits(connect=0.3)).kind == Failure.TIMEOUT


def test_an_answer_without_an_end_is_left(stage, monkeypatch):
    monkeypatch.setattr(http, "_MOST", 1_000_000)
    vendor = stage("elevenlabs")
    given = 0

    def endless():
        nonlocal given
        while True:
            given += 3_000
            yield b"{}\n" * 1_000

    monkeypatch.setattr(vendor, "reply", lambda asked: Reply(body=endless()))
    request = SpeechRequest("Hello there.", vendor.voice)
    with pytest.raises(ProviderError, match="more than 1000000 bytes") as caught:
        list(get_provider("elevenlabs").speak(request, vendor.access).parts)
    assert caught.value.kind == Failure.BAD_AUDIO
