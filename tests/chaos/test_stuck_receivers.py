"""Webhook receivers that hang, with the deadlines of production.

`make chaos` runs these tests, which take as long as the deadlines. `make test` runs the
same with shorter deadlines, and tests the order of claims without waiting.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from tests import processes
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.events import many
from tests.webhooks.receiver import Received, listening
from webhooks.models import Delivery
from webhooks.sending import delivery, post
from webhooks.sending.post import DEADLINE, Outcome

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        "CHAOS_DEADLINES" not in os.environ, reason="takes minutes: see `make chaos`"
    ),
]
EVENTS = 5000
MOST = 16.0  # seconds for one attempt


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("slots", "crowd"), [(8, 1), (24, 1), (24, 3)])
def test_five_thousand_events_to_a_hanging_receiver_delay_no_others(
    settings, monkeypatch, slots: int, crowd: int
) -> None:
    """Start workers whose slots hang on one workspace or three, then send to another."""
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    monkeypatch.setenv("WEBHOOK_ALLOW_LOOPBACK", "1")
    with listening() as server:
        server.play(scripts.hang, path="/tarpit")
        for _ in range(crowd):
            noisy = factories.workspace()
            for _ in range(5):
                many(factories.endpoint(noisy, url=server.url("/tarpit")), EVENTS // 5)
        worker = processes.start_worker("webhooks", pool="threads", slots=slots)
        try:
            busy = Delivery.objects.filter(status="processing")
            _until(lambda: busy.count() == 8 * crowd, 60)
            delays = []
            for _ in range(3):
                quiet = factories.endpoint(url=server.url("/quiet"))
                known = len(_on(server.received, "/quiet"))
                factories.delivery(quiet)
                began = time.monotonic()
                _until(partial(_has_more, server.received, "/quiet", known), 60)
                delays.append(_on(server.received, "/quiet")[-1].at - began)
        finally:
            processes.kill(worker)
    told = ", ".join(f"{delay:.1f}" for delay in delays)
    sys.stdout.write(f"{crowd} to a tarpit, {slots} slots: delayed by {told} s\n")
    assert max(delays) < 20


def _until(is_so: Callable[[], bool], seconds: float) -> None:
    """Sweep like the dispatcher until a condition holds."""
    deadline = time.monotonic() + seconds
    swept = 0.0
    while not is_so():
        assert time.monotonic() < deadline
        if time.monotonic() - swept > 1:
            delivery.work.sweep()
            swept = time.monotonic()
        time.sleep(0.02)


def _has_more(received: list[Received], path: str, known: int) -> bool:
    return len(_on(received, path)) > known


def _on(received: list[Received], path: str) -> list[Received]:
    return [request for request in received if request.path == path]


def never_read(peer: socket.socket) -> None:
    """Read no more of a request."""
    time.sleep(60)


def silent_tls(peer: socket.socket) -> None:
    """Send a TLS handshake byte by byte."""
    peer.sendall(b"\x16\x03\x03\x40\x00")
    for _ in range(600):
        peer.sendall(b"\x02")
        time.sleep(0.05)


HOSTILE = {
    script.__name__: script
    for script in (
        scripts.hang,
        scripts.drip_header,
        scripts.drip_body,
        scripts.endless_head,
        scripts.endless_promises,
        scripts.huge,
        scripts.gzip_bomb,
        scripts.reset,
        scripts.garbage,
    )
}


def test_an_attempt_ends_within_sixteen_seconds(settings, monkeypatch) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    monkeypatch.setattr("webhooks.sending.addresses.is_public", lambda *_: True)
    released = threading.Event()
    outcomes: dict[str, Outcome] = {}

    def call(name: str, url: str, body: bytes = b"{}") -> None:
        outcomes[name] = post.post(url, body, {}, deadline=DEADLINE)

    with ExitStack() as held:
        server = held.enter_context(listening())
        held.callback(released.set)
        calls: list[tuple[object, ...]] = []
        for name, script in HOSTILE.items():
            server.play(script, path=f"/{name}")
            calls.append((name, server.url(f"/{name}")))
        deaf = held.enter_context(_answering(never_read))
        calls.append(("never_read", f"http://127.0.0.1:{deaf}/", bytes(50_000_000)))
        stalled = held.enter_context(_answering(silent_tls))
        hole = held.enter_context(_black_hole())
        settings.WEBHOOK_PORTS = [stalled, hole]
        calls.append(("silent_tls", f"https://tls.example.com:{stalled}/"))
        calls.append(("black_hole", f"https://hole.example.com:{hole}/"))
        calls.append(("black_holes", f"https://holes.example.com:{hole}/"))
        calls.append(("no_resolver", f"https://dns.example.com:{hole}/"))
        real = socket.getaddrinfo

        def resolve(host: str, port: int, **options: object) -> list[object]:
            if host == "dns.example.com.":
                released.wait(60)
                return []
            if host == "holes.example.com.":
                found = [f"127.0.1.{number}" for number in range(1, 50)]
            elif host.endswith(".example.com."):
                found = ["127.0.0.1"]
            else:
                return list(real(host, port, **options))  # type: ignore[arg-type]
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found
            ]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        threads = [threading.Thread(target=call, args=given) for given in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert outcomes.keys() == {str(given[0]) for given in calls}
    for name, outcome in sorted(outcomes.items()):
        sys.stdout.write(
            f"{name}: {outcome.duration_ms} ms, {outcome.status or outcome.failure}\n"
        )
    assert max(row.duration_ms for row in outcomes.values()) <= MOST * 1000
    arrived = {name for name, outcome in outcomes.items() if outcome.status == 200}
    assert arrived == {"drip_body", "huge", "gzip_bomb"}


@contextmanager
def _answering(script: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen, and call the script with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                peer, _ = listener.accept()
                script(peer)
            except OSError:
                return  # the other side has hung up

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@contextmanager
def _black_hole() -> Iterator[int]:
    """A port that neither accepts nor refuses connections, since its queue is full."""
    with socket.socket() as listener, ExitStack() as held:
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
