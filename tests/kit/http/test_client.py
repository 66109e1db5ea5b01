"""The HTTP client against faulty and hostile servers."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from kit import http
from kit.http import connections
from tests.kit.http.calling import LIMITS, failure, fetch, here, limits
from tests.kit.http.server import (
    OK,
    Server,
    answer,
    dripping,
    dripping_proxy,
    hang_up,
    reset,
    sending,
    serving,
)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a server that plays scripts, with or without TLS."""
    with ExitStack() as stack:
        yield lambda *scripts, **options: stack.enter_context(
            serving(*scripts, **options)
        )


def test_a_call_is_one_request(serve) -> None:
    for is_secure in (False, True):
        server = serve(answer(b"hello", "X-Kind: a"), is_secure=is_secure)
        with http.call(
            "POST", server.url, {"X-Key": "k"}, b"body", limits=LIMITS, resolve=here
        ) as given:
            assert (given.status, given.headers["x-kind"]) == (200, "a")
            assert given.address == "127.0.0.1"
            assert list(given.parts(5)) == [b"hello"]
        (request,) = server.requests
        assert request.lines[0] == "POST /path?a=1 HTTP/1.1"
        assert sorted(request.lines[1:]) == [
            "Accept-Encoding: identity",
            "Connection: close",
            "Content-Length: 4",
            f"Host: localhost:{server.port}",
            "User-Agent: ozvena",
            "X-Key: k",
        ]
        assert request.body == b"body"


def test_a_type_is_told_without_its_parameters(serve) -> None:
    server = serve(sending(OK + b"Content-Length: 0\r\n\r\n"))
    with http.call("GET", server.url, {}, limits=LIMITS, resolve=here) as given:
        assert given.content_type == "audio/mpeg"


def test_the_environment_names_no_proxy(serve, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in (
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "all_proxy",
            "ALL_PROXY",
        ):
            monkeypatch.setenv(name, address)
        for is_secure in (False, True):
            assert fetch(serve(is_secure=is_secure).url) == b"hello"
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_redirects_are_not_followed(serve) -> None:
    elsewhere = serve()
    for status in (301, 302, 303, 307, 308):
        server = serve(answer(b"", f"Location: {elsewhere.url}", status=status))
        with http.call("GET", server.url, {}, limits=LIMITS, resolve=here) as given:
            assert given.status == status
    assert elsewhere.accepted == 0


def test_cookies_are_not_sent_back(serve) -> None:
    server = serve(answer(b"", "Set-Cookie: a=b; Path=/"))
    for _ in range(2):
        fetch(server.url, owner="platform")
    assert [r for r in server.requests if "cookie" in r.head.lower()] == []


DRIPS = {
    "head": (b"", OK + b"X-Pad: " + b"a" * 900),
    "size of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 900),
    "body": (OK + b"Content-Length: 900\r\n\r\n", b"a" * 900),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
}


def test_a_drip_ends_at_the_total(serve) -> None:
    for name, (head, rest) in DRIPS.items():
        for is_secure in (False, True):
            server = serve(dripping(head, rest), is_secure=is_secure)
            error = failure(server.url, limits=limits(total=0.2))
            assert type(error) is http.TimedOut, name
            assert error.address == "127.0.0.1"
            assert server.hung_up.wait(10), name


def test_a_drip_below_tls_ends_at_the_total(serve) -> None:
    """The bytes of a record, and of a handshake, that make no byte of an answer."""
    server = serve(answer(b"a" * 100), is_secure=True)
    with dripping_proxy(server.port) as (port, is_slow):
        url = f"https://localhost:{port}/"
        assert fetch(url, owner="platform") == b"a" * 100
        is_slow.set()
        for owner in ("platform", None):  # on the kept connection; with a handshake
            error = failure(url, owner=owner, limits=limits(total=0.3))
            assert type(error) is http.TimedOut
    assert server.accepted == 2


def test_a_server_that_does_not_read_times_out() -> None:
    """The body is larger than all buffers, so it is never sent completely."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://localhost:{deaf.getsockname()[1]}/"
        body = bytes(64 * 1024 * 1024)
        error = failure(url, method="POST", body=body, limits=limits(total=0.3))
    assert type(error) is http.TimedOut


def test_each_step_has_a_limit(serve) -> None:
    head = OK + b"Content-Length: 9\r\n\r\n"
    cases = {
        "the first byte is one of the body": (head, limits(first_byte=0.2)),
        "a pause in the middle": (head + b"abc", limits(quiet=0.2)),
    }
    for name, (sent, its) in cases.items():
        error = failure(serve(dripping(sent, b"")).url, limits=its)
        assert type(error) is http.TimedOut, name
    server = serve(is_secure=True)
    with dripping_proxy(server.port) as (port, is_slow):
        is_slow.set()
        error = failure(f"https://localhost:{port}/", limits=limits(connect=0.3))
    assert type(error) is http.TimedOut
    assert server.requests == []


def test_only_waiting_counts(serve) -> None:
    body = b"a" * 100_000
    heard = b""
    with http.call(
        "GET", serve(answer(body)).url, {}, limits=limits(total=0.5), resolve=here
    ) as given:
        for part in given.parts(len(body)):
            heard += part
            time.sleep(0.1)  # a listener who takes his time: more than the total
    assert heard == body


def test_a_truncated_response_is_incomplete(serve) -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    cases: list[tuple[bytes, type[http.CallFailed]]] = [
        (b"", http.Broken),
        (b"hello\r\n\r\n", http.Broken),
        (b"220 mail.example.com ESMTP\r\n", http.Broken),
        (OK + b"Content-Length: 9\r\n\r\nhello", http.Incomplete),
        (chunked + b"5\r\nhel", http.Incomplete),
        (chunked + b"5\r\nhello\r\n", http.Incomplete),
        (chunked + b"xyz\r\n", http.Incomplete),
        (OK + b"X: y\r\n" * 200 + b"\r\n", http.Broken),
        (OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n", http.Broken),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, http.Broken),
    ]
    for is_secure in (False, True):
        for data, kind in cases:
            server = serve(sending(data), is_secure=is_secure)
            error = failure(server.url)
            assert type(error) is kind, data[:80]
            assert error.address == "127.0.0.1"
            assert (server.accepted, len(server.requests)) == (1, 1)


def test_a_connection_that_ends_without_an_answer_is_broken(serve) -> None:
    for script in (reset, hang_up):
        for is_secure in (False, True):
            server = serve(script, is_secure=is_secure)
            assert type(failure(server.url, owner="platform")) is http.Broken
            assert (server.accepted, len(server.requests)) == (1, 1)


def test_informational_responses_are_skipped(serve) -> None:
    for told in ("100 Continue", "103 Early Hints"):
        early = f"HTTP/1.1 {told}\r\nLink: </a.css>\r\n\r\n".encode()
        assert fetch(serve(sending(early * 2 + OK + b"\r\nhello")).url) == b"hello"


def test_an_answer_may_come_before_all_was_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def action() -> None:
            connection, _ = listening.accept()
            with closing(connection):  # with most unread, which resets it
                connection.recv(1000)
                connection.sendall(
                    b"HTTP/1.1 413 Large\r\nContent-Length: 4\r\n\r\nhalt"
                )

        threading.Thread(target=action, daemon=True).start()
        url = f"http://localhost:{listening.getsockname()[1]}/"
        body = bytes(16 * 1024 * 1024)
        assert fetch(url, method="POST", body=body, owner="platform") == b"halt"


def test_a_body_has_a_limit(serve) -> None:
    tiny = b"".join(b"1;padding=xyz\r\na\r\n" for _ in range(50_000))
    cases = {
        "to the end of the connection": OK + b"\r\n" + b"a" * 100_000,
        "of a length": OK + b"Content-Length: 100000\r\n\r\n" + b"a" * 100_000,
        "in tiny chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n" + tiny,
    }
    for name, data in cases.items():
        heard: list[bytes] = []
        server = serve(sending(data))
        with http.call("GET", server.url, {}, limits=LIMITS, resolve=here) as given:
            parts = given.parts(30_000)
            with pytest.raises(http.TooLong):
                heard.extend(parts)
        # The headers of tiny chunks count too.
        most = 15_000 if name == "in tiny chunks" else 30_000
        assert 0 < len(b"".join(heard)) <= most


def test_leaving_early_closes_the_connection(serve) -> None:
    server = serve(dripping(OK + b"\r\n" + b"a" * 1000, b"b" * 100_000))
    with http.call("GET", server.url, {}, limits=LIMITS, resolve=here) as given:
        parts = given.parts(10_000)
        next(parts)
        parts.close()
    assert server.hung_up.wait(10)


def test_unreachable_hosts_are_refused() -> None:
    cases: list[tuple[str, type[http.CallFailed]]] = [
        ("ftp://127.0.0.1/", http.InvalidRequest),
        ("http://", http.InvalidRequest),
        ("http://127.0.0.1:99999/", http.InvalidRequest),
        ("http://[::1/", http.InvalidRequest),
        ("http://127.0.0.1:9/a b", http.InvalidRequest),
        ("http://127.0.0.1:9/é", http.InvalidRequest),
        ("http://127.0.0.1:9/", http.Unreachable),
        ("http://no-such-host.invalid/", http.Unreachable),
        ("http://" + "a" * 64 + ".example.com/", http.Unreachable),
    ]
    for url, kind in cases:
        error = failure(url, resolve=http.look_up)
        assert (type(error), error.address) == (kind, ""), url


def test_a_header_stays_one(serve) -> None:
    server = serve()
    for value in ("a\r\nX-Evil: 1", "a\nb", "ключ"):
        with (
            pytest.raises(http.InvalidRequest) as caught,
            http.call("GET", server.url, {"X": value}, limits=LIMITS, resolve=here),
        ):
            pass
        assert value not in str(caught.value)
    assert server.accepted == 0


def test_a_certificate_is_checked(serve, monkeypatch) -> None:
    server = serve(is_secure=True)
    error = failure(server.url.replace("localhost", "example.com"))
    assert (type(error), error.address) == (http.TLSFailed, "127.0.0.1")
    usual = ssl.create_default_context()
    monkeypatch.setattr(connections, "tls", lambda: usual)
    assert type(failure(server.url)) is http.TLSFailed  # an unknown authority
    assert server.requests == []


def test_a_server_without_tls_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def action() -> None:
            connection, _ = listening.accept()
            with closing(connection):
                connection.sendall(OK + b"\r\n")
                connection.recv(10_000)

        threading.Thread(target=action, daemon=True).start()
        url = f"https://localhost:{listening.getsockname()[1]}/"
        assert type(failure(url)) is http.TLSFailed


def test_the_first_address_that_answers_is_taken(serve) -> None:
    server = serve()
    found = [ipaddress.ip_address(text) for text in ("127.0.0.9", "::1", "127.0.0.1")]
    with http.call(
        "GET", server.url, {}, limits=LIMITS, resolve=lambda *_: found
    ) as given:
        assert given.address == "127.0.0.1"
    assert type(failure(server.url, resolve=lambda *_: found[:2])) is http.Unreachable


def test_a_resolver_that_never_answers_holds_nobody(monkeypatch) -> None:
    released = threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        released.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        error = failure(
            "http://localhost/", resolve=http.look_up, limits=limits(connect=0.2)
        )
    finally:
        released.set()
    assert type(error) is http.TimedOut
