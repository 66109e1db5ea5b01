"""Measure the web processes: CPU time per request, and other requests beside slow clients.

GUNICORN_CMD_ARGS chooses another worker to compare with, for example
`GUNICORN_CMD_ARGS="--worker-class gthread --threads 64"`.
"""

import os
import socket
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from benchmarks.cpu import cpu_seconds
from benchmarks.system import System

REQUESTS = 300
ROUNDS = 3
SLOW_BODIES = 40
SLOW_HEADS = 200
_OTHERS = 6
_TIMEOUT = 45  # seconds
_LONG = {"text": "a " * 499_500, "voice": "unicorn:en-us"}


def main() -> None:
    """Print the CPU time per request, and how long others wait beside slow clients."""
    print(os.environ.get("GUNICORN_CMD_ARGS", "the default worker"))
    with System() as system:
        token = f"Bearer {system.token()}"
        web = _web_process(system.pid)
        session = requests.Session()
        session.headers["Authorization"] = token

        def get(path: str) -> Callable[[], object]:
            return lambda: _ok(session.get(f"{system.url}{path}"))

        for path in ("/health", "/api/v1/credits"):
            least = min(_cpu(web, get(path)) for _ in range(ROUNDS))
            print(f"CPU of the web processes per GET {path}: {least * 1000:.2f} ms")
        with ThreadPoolExecutor(4) as clients:
            url, headers = f"{system.url}/api/v1/estimate", {"Authorization": token}
            estimates = [
                clients.submit(requests.post, url, json=_LONG, headers=headers)
                for _ in range(40)
            ]
            times = []
            while not all(estimate.done() for estimate in estimates):
                times.append(_seconds(get("/health")))
            assert all(estimate.result().ok for estimate in estimates)
        p95 = statistics.quantiles(times, n=20)[-1]
        print(
            f"GET /health beside estimates of 999,000 characters: p95 {p95 * 1000:.0f} ms"
        )
        _beside_slow_clients(system, token)


def _beside_slow_clients(system: System, token: str) -> None:
    head = (
        "PATCH /api/v1/me HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        f"Authorization: {token}\r\n\r\n{{"
    )
    slow = [_connect(system.port, head) for _ in range(SLOW_BODIES)]
    with ThreadPoolExecutor(_OTHERS) as clients:
        url = f"{system.url}/api/v1/credits"
        others = list(clients.map(lambda _: _ask(url, token), range(_OTHERS)))
    print(f"GET /api/v1/credits beside {SLOW_BODIES} half-sent bodies: {others}")
    for client in slow:
        client.close()
    slow = [_connect(system.port, "GET /health HT") for _ in range(SLOW_HEADS)]
    health = _ask(f"{system.url}/health", token)
    print(f"GET /health beside {SLOW_HEADS} half-sent heads: {health}")
    for client in slow:
        client.close()


def _web_process(root: int) -> int:
    """Return the id of gunicorn's first process, a child of `root`."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    (web,) = [
        int(child)
        for child in children
        if b"gunicorn" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return web


def _cpu(process: int, send: Callable[[], object]) -> float:
    """Return the CPU seconds of a process and its descendants per request."""
    for _ in range(20):
        send()
    before = cpu_seconds(process)
    for _ in range(REQUESTS):
        send()
    return (cpu_seconds(process) - before) / REQUESTS


def _seconds(send: Callable[[], object]) -> float:
    began = time.perf_counter()
    send()
    return time.perf_counter() - began


def _ask(url: str, token: str) -> str:
    """Return the status of a request and how long it took."""
    began = time.perf_counter()
    try:
        response = requests.get(url, headers={"Authorization": token}, timeout=_TIMEOUT)
        status = str(response.status_code)
    except requests.RequestException:
        status = "no response"
    return f"{status} after {time.perf_counter() - began:.2f} s"


def _connect(port: int, sent: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(sent.encode())
    return client


def _ok(response: requests.Response) -> None:
    response.raise_for_status()
