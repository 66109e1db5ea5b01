"""The sender against bad receivers. Deadlines are short here, but work the same."""

import resource
import socket
import threading
import time
from collections.abc import Callable

import pytest

from kit.http import connections
from kit.http.pool import KEPT
from tests.kit.http import certificates
from tests.kit.http.server import serving as tls_serving
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks.sending import post as sending_post
from webhooks.sending.post import DEADLINE, Outcome


def post(url, body, headers, *, deadline: float = DEADLINE) -> Outcome:
    return sending_post.post(url, body, headers, deadline=deadline)


HEADERS = {"Content-Type": "application/json", "webhook-id": "1"}


def test_request_arrives_unchanged(receiver: Receiver) -> None:
    receiver.play(scripts.status(204))
    outcome = post(receiver.url("/hook?a=1"), b'{"x":"\xc3\xa9"}', HEADERS)

    assert (outcome.status, outcome.failure) == (200, "")
    assert outcome.address == "127.0.0.1"
    request = receiver.received[0]
    assert request.path == "/hook?a=1"
    assert request.body == b'{"x":"\xc3\xa9"}'
    assert request.headers["webhook-id"] == "1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.server_address[1]}"
    assert request.headers["connection"] == "close"
    assert request.headers["accept-encoding"] == "identity"


def test_each_status_is_returned(receiver: Receiver) -> None:
    for code in (200, 204, 302, 410, 429, 500, 503):
        receiver.play(
            scripts.status(code, "Location: /elsewhere", "Retry-After: 7", body=b"why")
        )
        outcome = post(receiver.url(), b"{}", HEADERS)
        assert (outcome.status, outcome.failure) == (code, "")
        assert outcome.retry_after == "7"
        assert outcome.answer == ("why" if code != 204 else "")
    assert {request.path for request in receiver.received} == {"/hook"}


@pytest.mark.parametrize(
    ("script", "status", "failure"),
    [
        (scripts.hang, None, "timeout"),
        (scripts.drip_header, None, "timeout"),
        (scripts.drip_body, 200, ""),
    ],
)
def test_slow_receiver_is_cut_off_at_the_deadline(
    receiver: Receiver, script, status, failure
) -> None:
    receiver.play(script)
    began = time.monotonic()
    outcome = post(receiver.url(), b"{}", HEADERS, deadline=0.6)
    took = time.monotonic() - began

    assert (outcome.status, outcome.failure) == (status, failure)
    assert took < 5  # each byte would have given a plain timeout 0.6 s more, for 30 s
    if status:
        assert outcome.answer.startswith("x")


def test_broken_answer_is_a_failure(receiver: Receiver) -> None:
    for script in (
        scripts.reset,
        scripts.garbage,
        scripts.endless_head,
        scripts.endless_promises,
    ):
        receiver.play(script)
        outcome = post(receiver.url(), b"{}", HEADERS)
        assert (outcome.status, outcome.failure) == (None, "broken"), script
        assert outcome.address == "127.0.0.1"


def test_informational_status_is_no_answer(receiver: Receiver) -> None:
    def announce(peer: socket.socket) -> None:
        head = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nRetry-After: 60\r\n\r\n"
        peer.sendall(head.encode() * 2)
        scripts.status(204)(peer)

    receiver.play(announce)
    outcome = post(receiver.url(), b"{}", HEADERS)
    assert (outcome.status, outcome.retry_after) == (204, "")


@pytest.mark.parametrize("script", [scripts.huge, scripts.gzip_bomb])
def test_little_of_a_large_answer_is_read(receiver: Receiver, script) -> None:
    receiver.play(script)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = post(receiver.url(), b"{}", HEADERS)

    assert outcome.status == 200
    assert len(outcome.answer) <= 2048
    if script is scripts.huge:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 50_000  # KB; the receiver lives in this process too


def test_beginning_of_an_answer_in_tiny_chunks_is_kept(receiver: Receiver) -> None:
    def chunks(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100_000):
            peer.sendall(b"1;padding=xyz\r\na\r\n")

    receiver.play(chunks)
    outcome = post(receiver.url(), b"{}", HEADERS)
    assert (outcome.status, outcome.failure) == (500, "")
    assert 1000 < len(outcome.answer) <= 2048
    assert set(outcome.answer) == {"a"}


def test_an_answer_of_zeros_can_be_stored(receiver: Receiver) -> None:
    receiver.play(scripts.status(500, body=b"\0\xff ok"))
    assert post(receiver.url(), b"{}", HEADERS).answer == "\ufffd\ufffd ok"


def test_closed_port_is_unreachable(settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    outcome = post(f"http://127.0.0.1:{port}/", b"{}", HEADERS)
    assert (outcome.status, outcome.failure, outcome.address) == (
        None,
        "unreachable",
        "",
    )


def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        assert post(receiver.url(), b"{}", HEADERS).status == 200
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.fixture
def leading_here(settings, monkeypatch) -> Callable[[int], None]:
    """Resolve every name to a port of this machine, as if that were public."""

    def lead(port: int) -> None:
        settings.WEBHOOK_PORTS = [port]
        monkeypatch.setattr("webhooks.sending.addresses.is_public", lambda *_: True)
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **_: [(2, 1, 6, "", ("127.0.0.1", port))],
        )

    return lead


def test_tls_checks_the_name_of_the_url(monkeypatch, leading_here) -> None:
    """The connection goes to the vetted address; the certificate is the name's."""
    monkeypatch.setattr(connections, "tls", certificates.trusting)
    with tls_serving(is_secure=True, names=("hook.example.com",)) as server:
        leading_here(server.port)
        for name, status, failure in (
            ("hook.example.com", 200, ""),
            ("other.example.com", None, "tls"),
        ):
            outcome = post(f"https://{name}:{server.port}/", b"{}", HEADERS)
            assert (outcome.status, outcome.failure) == (status, failure)
            assert outcome.address == "127.0.0.1"
    (request,) = server.requests
    assert f"Host: hook.example.com:{server.port}" in request.lines


def test_connections_are_not_reused(receiver: Receiver, monkeypatch) -> None:
    kept: list[object] = []
    monkeypatch.setattr(KEPT, "put", lambda *entry: kept.append(entry))
    receiver.play(scripts.status(200, "Connection: keep-alive"))
    for _ in range(2):
        assert post(receiver.url(), b"{}", HEADERS).status == 200
    assert receiver.connections == 2
    assert kept == []


def test_a_peer_that_stalls_the_handshake_is_cut_off(leading_here) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        leading_here(port)
        outcome = post(f"https://a.example.com:{port}/", b"", HEADERS, deadline=0.4)
    assert outcome.failure == "timeout"


def test_silent_resolver_times_out(monkeypatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("webhooks.sending.addresses._LOOKUP", 0.2)

    def never(*_: object, **__: object) -> list[object]:
        released.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        outcome = post("https://a.example.com/", b"{}", HEADERS)
    finally:
        released.set()
    assert outcome.failure == "unreachable"
