"""Measure the CPU time of a call to another server over TLS, with a 40 KB response.

The server runs in a separate process; only the client's CPU time counts. A warm call
reuses a connection, as calls for speech do. A cold call resolves the name and opens a new
connection, as webhooks do.
"""

import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection

from benchmarks import verdicts
from kit import http
from kit.http import connections
from tests.kit.http import certificates
from tests.kit.http.server import answer, serving

ROUNDS = 9
WARM, COLD = 300, 50  # calls in a round
LIMIT = 1.0  # ms
SIZE = 40 * 1024  # bytes of a response
_LIMITS = http.Limits(connect=10, first_byte=10, quiet=10, total=30)
_HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {'k' * 40}"}
_BODY = b'{"input": "%s", "voice": "alloy"}' % (b"Hello there. " * 20)


def main() -> None:
    """Print the CPU time of a warm and of a cold call."""
    certificates.serving("localhost", "127.0.0.1")  # created once, for both processes
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(
        target=_serve, args=(theirs,), daemon=True
    )
    server.start()
    theirs.close()
    url = ours.recv()
    original = connections.tls
    connections.tls = certificates.trusting
    try:
        rounds = [
            (_cpu_time(url, "platform", WARM), _cpu_time(url, None, COLD))
            for _ in range(ROUNDS)
        ]
    finally:
        connections.tls = original
        server.terminate()
        server.join()
    warm, cold = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(
        f"CPU of a call over TLS, {SIZE // 1024} KB, median of {ROUNDS} rounds: on a kept "
        f"connection {warm:.2f} ms, on a new one {cold:.2f} ms; limit of the first "
        f"{LIMIT} ms: {verdicts.judge(warm <= LIMIT)}"
    )
    print(f"load {os.getloadavg()[0]:.1f}")


def _serve(pipe: Connection) -> None:
    with serving(answer(bytes(SIZE)), is_secure=True) as server:
        pipe.send(server.url)
        server.is_over.wait()


def _cpu_time(url: str, owner: str | None, calls: int) -> float:
    """Return the CPU time of a call in milliseconds."""
    for _ in range(5):
        _call(url, owner)
    began = time.process_time()
    for _ in range(calls):
        _call(url, owner)
    return (time.process_time() - began) / calls * 1000


def _call(url: str, owner: str | None) -> None:
    with http.call(
        "POST",
        url,
        _HEADERS,
        _BODY,
        limits=_LIMITS,
        resolve=http.look_up,
        owner=owner,
    ) as given:
        assert sum(map(len, given.parts(SIZE))) == SIZE


if __name__ == "__main__":
    main()
    verdicts.exit_if_missed()
