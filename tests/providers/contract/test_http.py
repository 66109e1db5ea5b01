"""HTTP calls of adapters: responses, failures and limits."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kit.http.pool import KEPT
from providers.contract import http
from providers.contract.base import Failure, ProviderError, SpeechRequest
from providers.contract.registry import get_adapter
from tests.kit.http.server import (
    OK,
    Server,
    answer,
    dripping,
    hang_up,
    reset,
    sending,
    serving,
)
from tests.providers.vendors.server import Reply


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server with scripted responses."""
    with ExitStack() as stack:
        yield lambda *scripts: stack.enter_context(serving(*scripts))


def failure(url: str, limits: http.Limits | None = None) -> ProviderError:
    with (
        pytest.raises(ProviderError) as caught,
        http.call("GET", url, {}, limits=limits) as given,
    ):
        given.read()
    return caught.value


def test_call_returns_the_response(serve):
    server = serve(sending(OK + b"X-Kind: a\r\nContent-Length: 5\r\n\r\nhello"))
    with http.call("POST", server.url, {"X-Key": "k"}, b"body") as given:
        assert (given.status, given.content_type) == (200, "audio/mpeg")
        assert given.headers["x-kind"] == "a"
        assert given.read() == b"hello"
    (request,) = server.requests
    assert {"X-Key: k", "Accept-Encoding: identity"} <= set(request.lines)
    assert request.body == b"body"


def test_each_failure_has_its_kind(serve):
    cases = [
        ("ftp://127.0.0.1/", Failure.BAD_REQUEST),
        ("http://127.0.0.1:99999/", Failure.BAD_REQUEST),
        ("http://127.0.0.1:9/", Failure.DOWN),
        ("http://no-such-host.invalid/", Failure.DOWN),
    ]
    for url, kind in cases:
        assert failure(url).kind == kind, url
    answers = [
        (sending(b"hello\r\n\r\n"), Failure.DOWN),
        (reset, Failure.DOWN),
        (hang_up, Failure.DOWN),
        (sending(OK + b"Content-Length: 9\r\n\r\nhello"), Failure.BAD_AUDIO),
        (answer(b"hello", "Content-Encoding: gzip"), Failure.BAD_AUDIO),
        (dripping(b"", OK * 50), Failure.TIMEOUT),
    ]
    for script, kind in answers:
        server = serve(script)
        assert failure(server.url, http.Limits(total=0.3)).kind == kind
        assert len(server.requests) == 1
    url = serve().url.replace("http:", "https:")
    assert failure(url, http.Limits(connect=0.3)).kind in {
        Failure.DOWN,
        Failure.TIMEOUT,
    }


def test_forbidden_address_is_not_called(monkeypatch):
    """Cloud machines can read secrets at such addresses."""
    for host in ("169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "224.0.0.1"):
        error = failure(f"http://{host}/latest/meta-data/", http.Limits(connect=5))
        assert error.kind == Failure.DOWN
        assert "resolves to" in str(error), host


def test_calls_use_the_limits_of_their_block(serve):
    server = serve(dripping(OK + b"Content-Length: 900\r\n\r\n", b"a" * 500))
    with http.within(http.Limits(total=0.3)):
        assert failure(server.url).kind == Failure.TIMEOUT
    assert server.hung_up.wait(10)


def test_calls_with_an_owner_share_a_connection(serve):
    server = serve()
    with http.within(http.LIMITS, owner="platform"):
        for _ in range(2):
            with http.call("GET", server.url, {}) as given:
                assert given.read() == b"hello"
    with http.call("GET", server.url, {}) as given:
        assert given.read() == b"hello"
    with (
        http.within(http.LIMITS, owner="platform", is_fresh=True),
        http.call("GET", server.url, {}) as given,
    ):
        assert given.read() == b"hello"
    assert [request.connection for request in server.requests] == [1, 1, 2, 3]
    KEPT.clear()


def test_reused_connection_that_closes_is_aborted(serve):
    server = serve(answer(), reset)
    with http.within(http.LIMITS, owner="platform"):
        with http.call("GET", server.url, {}) as given:
            given.read()
        error = failure(server.url)
    assert error.kind == Failure.ABORTED
    assert error.kind.is_retryable
    assert len(server.requests) == 2


def test_slow_error_body_times_out(serve, monkeypatch):
    monkeypatch.setattr(http, "_REFUSAL_SECONDS", 0.2)
    head = b"HTTP/1.1 503 No\r\nContent-Length: 900\r\n\r\n"
    server = serve(dripping(head, b"a" * 900))
    with http.call("GET", server.url, {}) as given:
        assert given.status == 503
        assert given.error() is None
    assert server.hung_up.wait(10)


def test_error_body_is_read(serve):
    cases = [
        (b'{"code": "busy"}', {"code": "busy"}),
        (b"<html>", None),
        (b"", None),
        (b"[" * 100_000, None),
        (b'"' + b"a" * 20_000 + b'"', None),  # longer than the limit
    ]
    for body, value in cases:
        with http.call("GET", serve(answer(body, status=503)).url, {}) as given:
            assert given.error() == value, body[:20]


def test_a_body_has_a_limit(serve):
    server = serve(sending(OK + b"\r\n" + b"a" * 100_000))
    with http.call("GET", server.url, {}) as given:
        with pytest.raises(ProviderError, match="more than 50000 bytes") as caught:
            given.read(50_000)
        assert caught.value.kind == Failure.BAD_AUDIO


def test_lines_are_found_across_parts(serve):
    cases = [
        (b"", []),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\n\r\nb\n", [b"a", b"", b"b"]),
        (b"x" * 50_000 + b"\ny", [b"x" * 50_000, b"y"]),
    ]
    for body, lines in cases:
        with http.call("GET", serve(answer(body)).url, {}) as given:
            assert list(given.lines()) == lines


def test_too_long_line_is_rejected(serve, monkeypatch):
    monkeypatch.setattr(http, "_MAX_LINE", 1000)
    with http.call("GET", serve(answer(b"a" * 100_000)).url, {}) as given:
        with pytest.raises(ProviderError) as caught:
            list(given.lines())
        assert caught.value.kind == Failure.BAD_AUDIO


def test_invalid_json_is_bad_audio(serve):
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        with http.call("GET", serve(answer(body)).url, {}) as given:
            with pytest.raises(ProviderError) as caught:
                given.json()
            assert caught.value.kind == Failure.BAD_AUDIO
    with http.call("GET", serve(answer(json.dumps([1]).encode())).url, {}) as given:
        assert given.json() == [1]


def test_header_cannot_contain_a_line_break(serve):
    server = serve()
    for value in ("a\r\nX-Evil: 1", "a\nb", "ключ"):
        with (
            pytest.raises(ProviderError) as caught,
            http.call("GET", server.url, {"X-Key": value}),
        ):
            pass
        assert caught.value.kind == Failure.BAD_REQUEST
        assert value not in str(caught.value)
    assert server.accepted == 0


def test_endless_response_is_rejected(stage, monkeypatch):
    monkeypatch.setattr(http, "_MAX_BODY", 100_000)
    vendor = stage("elevenlabs")

    def endless():
        while True:
            yield b"{}\n" * 1_000

    monkeypatch.setattr(vendor, "reply", lambda asked: Reply(body=endless()))
    request = SpeechRequest("Hello there.", vendor.voice)
    with pytest.raises(ProviderError, match="more than 100000 bytes") as caught:
        list(get_adapter("elevenlabs").speak(request, vendor.access).parts)
    assert caught.value.kind == Failure.BAD_AUDIO
