"""Which connections are kept, for which owner, and what happens when one has ended."""

import ipaddress
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from types import SimpleNamespace

import pytest
from django.conf import settings

from kit import http
from kit.http import client, connections, pool
from kit.http.addresses import IPAddress
from kit.http.pool import KEPT
from tests.kit.http import certificates
from tests.kit.http.calling import LIMITS, failure, fetch, here
from tests.kit.http.server import (
    OK,
    Peer,
    Server,
    answer,
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


def called(server: Server) -> list[int]:
    """Return the connections that the requests came on, from 1."""
    return [request.connection for request in server.requests]


ours = partial(fetch, owner="platform")


def test_a_second_call_opens_no_connection(serve) -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    scripts = {
        "with a length": answer(),
        "in chunks": lambda peer: peer.send(chunked),
        "without a body": answer(b"", status=204),
        "a refusal": answer(b"{}", status=429),
    }
    for is_secure in (False, True):
        for name, script in scripts.items():
            server = serve(script, is_secure=is_secure)
            for _ in range(3):
                ours(server.url, method="POST", body=b"text")
            assert called(server) == [1, 1, 1], name
            assert server.accepted == 1
            assert [r for r in server.requests if "Connection" in r.head] == []


def test_without_an_owner_nothing_is_kept(serve) -> None:
    server = serve()
    for _ in range(2):
        fetch(server.url)
    assert called(server) == [1, 2]
    assert all("Connection: close" in request.lines for request in server.requests)
    assert KEPT._idle == []


def goodbye(peer: Peer) -> None:
    """Answer, then end TLS as it should be ended."""
    answer()(peer)
    peer.channel.settimeout(0.1)
    with suppress(OSError):
        peer.channel.unwrap()  # type: ignore[attr-defined]
    peer.server.is_over.set()


def test_a_connection_that_was_closed_while_idle_is_replaced(serve) -> None:
    for is_secure in (False, True):
        server = serve(is_secure=is_secure)
        for _ in range(3):
            assert ours(server.url) == b"hello"
            server.close_idle()
        assert called(server) == [1, 2, 3]

    def answer_and_reset(peer: Peer) -> None:
        answer()(peer)
        peer.reset()

    for script in (answer_and_reset, goodbye):
        server = serve(script, answer(), is_secure=script is goodbye)
        assert ours(server.url) == b"hello"
        assert server.is_over.wait(10) if script is goodbye else server.hung_up.wait(10)
        assert ours(server.url) == b"hello"
        assert called(server) == [1, 2]


def test_unexpected_bytes_on_an_idle_connection_are_no_answer(serve) -> None:
    """Otherwise one call would get the answer to another."""
    smuggled = OK + b"Content-Length: 5\r\n\r\nwrong"
    for is_secure in (False, True):
        for scripts in (
            [lambda peer: peer.send(OK + b"Content-Length: 5\r\n\r\nhello" + smuggled)],
            [answer(b""), answer(b"no", "Connection: close")],
        ):
            server = serve(*scripts, answer(b"right"), is_secure=is_secure)
            ours(server.url)
            fetched = [ours(server.url) for _ in range(len(scripts))]
            assert fetched[-1] == b"right"
            assert len(server.requests) == len(scripts) + 1
            assert server.accepted == 2


def test_a_kept_connection_that_ends_before_the_answer_is_aborted(serve) -> None:
    """The server may have received the request, so the caller decides about a retry."""
    for is_secure in (False, True):
        for end in (reset, hang_up):
            server = serve(answer(), end, answer(), is_secure=is_secure)
            ours(server.url)
            error = failure(server.url, owner="platform", method="POST", body=b"speak")
            assert type(error) is http.Aborted
            assert error.address == "127.0.0.1"
            # It was sent once, and not again by the client.
            assert called(server) == [1, 1]
            assert ours(server.url, is_fresh=True) == b"hello"
            assert called(server) == [1, 1, 2]


def test_one_that_ends_after_the_first_byte_is_broken(serve) -> None:
    def begin(peer: Peer) -> None:
        peer.send(b"H")
        peer.reset()

    server = serve(answer(), begin)
    ours(server.url)
    assert type(failure(server.url, owner="platform")) is http.Broken


def test_longer_idle_connections_are_closed_too(serve) -> None:
    server = serve()
    with ExitStack() as stack:
        for _ in range(3):  # three at the same time
            given = stack.enter_context(
                http.call(
                    "GET",
                    server.url,
                    {},
                    limits=LIMITS,
                    resolve=here,
                    owner="platform",
                )
            )
            list(given.parts(100))
    assert server.accepted == 3
    server._scripts = [reset, answer()]
    assert type(failure(server.url, owner="platform")) is http.Aborted
    assert ours(server.url) == b"hello"
    assert server.accepted == 4


def test_calls_share_a_connection_only_if_all_is_the_same(serve, monkeypatch) -> None:
    server = serve(is_secure=True)

    def other_rules(host: str, port: int, seconds: float) -> list[IPAddress]:
        return here(host, port, seconds)

    url = server.url
    fetch(url, owner=("workspace:1", 1))
    fetch(url, owner=("workspace:2", 1))
    fetch(url, owner=("workspace:1", 2))  # another key of the same workspace
    fetch(url, owner=("workspace:1", 1), resolve=other_rules)
    fetch(url.replace("localhost", "127.0.0.1"), owner=("workspace:1", 1))
    with monkeypatch.context() as patched:
        pem = certificates.trusting().get_ca_certs(binary_form=True)[0]
        strict = ssl.create_default_context(cadata=pem)
        patched.setattr(connections, "tls", lambda: strict)
        fetch(url, owner=("workspace:1", 1))
    fetch(url, owner=("workspace:1", 1), is_fresh=True)
    assert called(server) == [1, 2, 3, 4, 5, 6, 7]
    fetch(url, owner=("workspace:2", 1))
    fetch(url, owner=("workspace:1", 2))
    assert called(server)[7:] == [2, 3]


def test_a_connection_is_left_when_its_name_moves(serve, monkeypatch) -> None:
    found = ["127.0.0.1"]
    asked: list[str] = []

    def resolve(host: str, port: int, seconds: float) -> list[IPAddress]:
        asked.append(host)
        return [ipaddress.ip_address(text) for text in found]

    old = serve()
    new = serve(address=("127.0.0.2", old.port))
    for _ in range(2):
        ours(old.url, resolve=resolve)
    assert (old.accepted, new.accepted, len(asked)) == (1, 0, 1)

    # After a minute its name is looked up again.
    monkeypatch.setattr(client, "_LOOK_UP_AFTER", 0.0)
    ours(old.url, resolve=resolve)
    assert (called(old), new.accepted, len(asked)) == ([1, 1, 1], 0, 2)
    found[:] = ["127.0.0.2"]
    ours(old.url, resolve=resolve)
    assert (called(old), called(new)) == ([1, 1, 1], [1])
    assert old.hung_up.wait(10)

    # Or sooner, when another connection is opened.
    monkeypatch.setattr(client, "_LOOK_UP_AFTER", 60.0)
    found[:] = ["127.0.0.1"]
    ours(old.url, resolve=resolve, is_fresh=True)
    assert new.hung_up.wait(10)
    ours(old.url, resolve=resolve)
    assert (called(old), called(new)) == ([1, 1, 1, 2, 2], [1])


def test_addresses_are_checked_again_after_a_new_look_up(serve, monkeypatch) -> None:
    server = serve()
    is_good = [True]

    def resolve(host: str, port: int, seconds: float) -> list[IPAddress]:
        if not is_good[0]:
            raise http.Unreachable(host)
        return here(host, port, seconds)

    ours(server.url, resolve=resolve)
    is_good[0] = False
    monkeypatch.setattr(client, "_LOOK_UP_AFTER", 0.0)
    assert type(failure(server.url, owner="platform", resolve=resolve)) is (
        http.Unreachable
    )
    assert server.hung_up.wait(10)
    assert called(server) == [1]


def test_a_connection_is_kept_for_so_long(serve, monkeypatch) -> None:
    cases = {
        (): 20,
        ("Keep-Alive: timeout=5, max=100",): 4,
        ("Keep-Alive: timeout=60",): 20,
        ("Keep-Alive: timeout=soon",): 20,
        ("Keep-Alive: timeout=1",): 0,
        ("Connection: close",): 0,
    }
    for headers, seconds in cases.items():
        now = [time.monotonic()]
        clock = SimpleNamespace(monotonic=lambda now=now: now[0])
        monkeypatch.setattr(pool, "time", clock)
        server = serve(answer(b"hello", *headers))
        ours(server.url)
        if seconds:
            now[0] += seconds - 0.01
            ours(server.url)
            assert server.accepted == 1, headers
        now[0] += seconds
        ours(server.url)
        assert server.accepted == 2, headers


def test_old_versions_close(serve) -> None:
    server = serve(sending(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
    for _ in range(2):
        assert ours(server.url) == b"hello"
    assert called(server) == [1, 2]


def test_a_connection_with_an_unread_rest_is_not_kept(serve) -> None:
    for most in (0, 60_000, 99_999):
        server = serve(answer(b"a" * 100_000))
        for _ in range(2):
            with http.call(
                "GET", server.url, {}, limits=LIMITS, resolve=here, owner="platform"
            ) as given:
                heard = 0
                parts = given.parts(100_000)
                while heard < most:
                    heard += len(next(parts))
                parts.close()
        assert called(server) == ([1, 2] if heard < 100_000 else [1, 1])
    server = serve(answer(b"a" * 100_000))
    for _ in range(2):
        with (
            pytest.raises(http.TooLong),
            http.call(
                "GET", server.url, {}, limits=LIMITS, resolve=here, owner="platform"
            ) as given,
        ):
            list(given.parts(50_000))
    assert called(server) == [1, 2]


def test_the_rest_of_an_answer_can_be_skipped(serve) -> None:
    for rest, is_kept in ((b"little", True), (b"a" * 200_000, False)):
        server = serve(answer(b"begin" + rest))
        for _ in range(2):
            with http.call(
                "GET", server.url, {}, limits=LIMITS, resolve=here, owner="platform"
            ) as given:
                parts = given.parts(300_000)
                next(parts)
                parts.close()
                given.skip_rest()
        assert called(server) == ([1, 1] if is_kept else [1, 2])

    def never_end(peer: Peer) -> None:
        peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n")
        peer.server.is_over.wait(20)

    server = serve(never_end)
    for _ in range(2):
        with http.call(
            "GET", server.url, {}, limits=LIMITS, resolve=here, owner="platform"
        ) as given:
            next(given.parts(100))
            given.skip_rest()
    assert called(server) == [1, 2]


def test_the_number_of_kept_connections_is_limited(serve, monkeypatch) -> None:
    monkeypatch.setattr(pool, "MOST", 2)
    first, second, third = serve(), serve(), serve()
    for server in (first, second, third):
        ours(server.url)
    assert first.hung_up.wait(10)
    assert (second.open, third.open) == (1, 1)


def test_threads_do_not_mix_up_their_answers(serve) -> None:
    server = serve(lambda peer: answer(peer.request.body)(peer), is_secure=True)

    def call(number: int) -> bool:
        sent = str(number).encode() * 100
        return ours(server.url, method="POST", body=sent) == sent

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(call, range(400)))
    assert len(server.requests) == 400
    assert server.accepted <= 8


def test_a_forked_process_begins_with_none(serve) -> None:
    server = serve(is_secure=True)
    assert ours(server.url) == b"hello"
    with http.call(
        "GET", server.url, {}, limits=LIMITS, resolve=here, owner="other"
    ) as given:
        list(given.parts(100))
        child = os.fork()
        if not child:
            # The child neither keeps its connection nor uses those of its parent.
            status = 1
            with suppress(BaseException):
                assert KEPT._idle == []
                assert ours(server.url) == b"hello"
                assert len(KEPT._idle) == 1
                KEPT.put(KEPT._idle[0][1], given._connection, 20)
                assert len(KEPT._idle) == 1
                status = 0
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    assert ours(server.url) == b"hello"
    assert fetch(server.url, owner="other") == b"hello"
    assert called(server) == [1, 2, 3, 1, 2]


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys
import gevent
from kit import http
from kit.http import connections
from tests.kit.http.calling import failure, fetch, limits
import ssl
trusting = ssl.create_default_context(cadata=open(sys.argv[3]).read())
connections.tls = lambda: trusting
good, slow = (f"https://localhost:{port}/" for port in sys.argv[1:3])

# Kept connections, used by greenlets that wait for each other's answers.
calls = [gevent.spawn(fetch, good, owner="platform") for _ in range(10)]
gevent.joinall(calls, raise_error=True)
assert {call.value for call in calls} == {b"hello"}
fetch(good, owner="platform", resolve=http.look_up)

# A drip of bytes that make no byte of an answer, and a greenlet that goes on meanwhile.
turns = 0
def count():
    global turns
    while True:
        gevent.sleep(0.001)
        turns += 1
gevent.spawn(count)
error = failure(slow, limits=limits(connect=0.3))
assert type(error) is http.TimedOut, error
assert turns > 20
"""


def test_it_works_among_greenlets(serve, tmp_path) -> None:
    authority = tmp_path / "authority.pem"
    der = certificates.trusting().get_ca_certs(binary_form=True)[0]
    authority.write_text(ssl.DER_cert_to_PEM_cert(der))
    server = serve(is_secure=True)
    with dripping_proxy(server.port) as (port, is_slow):
        is_slow.set()
        done = subprocess.run(
            [sys.executable, "-c", GREENLETS, str(server.port), str(port), authority],
            cwd=settings.BASE_DIR,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    assert len(server.requests) == 11
    assert server.accepted <= 12
