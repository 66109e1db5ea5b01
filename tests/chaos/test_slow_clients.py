"""Clients that send slowly, too much, or what takes long to refuse: others are answered.

`make test` runs a short form, `make chaos` the long one (CHAOS_SLOW_BODIES,
CHAOS_SLOW_HEADS, CHAOS_UPLOAD_MB).
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from providers.catalogue import sync
from tests import factories, processes
from tests.processes import Web

pytestmark = pytest.mark.system

SLOW_BODIES = int(os.environ.get("CHAOS_SLOW_BODIES", "20"))
SLOW_HEADS = int(os.environ.get("CHAOS_SLOW_HEADS", "40"))
UPLOAD_MB = int(os.environ.get("CHAOS_UPLOAD_MB", "20"))
MB = 1024 * 1024
_OTHERS = 6
_TICK = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def web(transactional_db: None) -> Iterator[Web]:
    """The web as it is by default: two processes, 16 connections of the database each."""
    sync.sync()
    web = processes.start_web()
    try:
        web.wait()
        yield web
    finally:
        processes.kill(web.process)


def _ask(web: Web, method: str, path: str, body: Any = None, token: str = "") -> Any:
    """Return status, body and the seconds that an answer took."""
    client = HTTPConnection("127.0.0.1", web.port, timeout=60)
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    began = time.monotonic()
    client.request(method, path, body, fields)
    answer = client.getresponse()
    content = answer.read()
    client.close()
    return answer.status, content, time.monotonic() - began


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def test_slow_clients_delay_nobody(web: Web) -> None:
    token = factories.token()
    head = (
        "PATCH /api/v1/me HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    _ask(
        web, "GET", "/api/v1/credits", token=token
    )  # what is made at first use is made
    with ThreadPoolExecutor(_OTHERS) as clients:
        slow = [_connect(web, f"{head}{{") for _ in range(SLOW_BODIES)]
        others = list(
            clients.map(
                lambda _: _ask(web, "GET", "/api/v1/credits", token=token),
                range(_OTHERS),
            )
        )
    assert [status for status, *_ in others] == [200] * _OTHERS
    slowest = max(seconds for *_, seconds in others)
    slow += [_connect(web, "GET /health HT") for _ in range(SLOW_HEADS)]
    status, _, seconds = _ask(web, "GET", "/health")
    assert status == 200
    _say(
        f"{SLOW_BODIES} clients that stop within a body: {_OTHERS} others answered "
        f"within {slowest * 1000:.0f} ms; {SLOW_HEADS} half-sent heads besides: /health "
        f"after {seconds * 1000:.0f} ms"
    )
    answers = [_answer(client) for client in slow]
    assert {(status, code) for status, code in answers} == {(408, "request_timeout")}


def _connect(web: Web, sent: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", web.port), timeout=60)
    client.sendall(sent.encode())
    return client


def _answer(client: socket.socket) -> tuple[int, str]:
    with client:
        answer = HTTPResponse(client)
        answer.begin()
        return answer.status, json.loads(answer.read())["code"]


def test_uploads_do_not_fill_the_disk(web: Web) -> None:
    size = UPLOAD_MB * MB
    most = 0
    for framing in (f"Content-Length: {size}", "Transfer-Encoding: chunked"):
        head = (
            f"POST /login HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n"
            "Content-Type: multipart/form-data; boundary=part\r\n\r\n"
        )
        part = (
            b'--part\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        ) + b"a" * MB
        if "chunked" in framing:
            part = b"%X\r\n%s\r\n" % (len(part), part)
        client = _connect(web, head)
        try:
            for _ in range(UPLOAD_MB):
                client.sendall(part)
                most = max(most, _bytes_of_files(web))
        except ConnectionError:
            pass  # it has been answered by now
        answer = HTTPResponse(client)
        answer.begin()
        assert answer.status == 413
        client.close()
    deadline = time.monotonic() + 30
    while _bytes_of_files(web):  # the answer comes before its thread is done
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert _ask(web, "GET", "/health")[0] == 200
    _say(f"{UPLOAD_MB} MB sent to /login: 413; at most {most / MB:.1f} MB on the disk")
    assert most < 20 * MB  # a chunked body has to be read to be known as too long


def _bytes_of_files(web: Web) -> int:
    """Return how long the files are that the web has open and that no folder names."""
    total = 0
    for pid in web.pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(link).endswith(" (deleted)"):
                    total += os.stat(link).st_size
            except FileNotFoundError:
                continue
    return total


def test_bodies_are_refused_quickly(web: Web) -> None:
    token = factories.token()
    _ask(web, "POST", "/api/v1/estimate", "{}", token)
    scenes = '{"scenes": [' + "{}," * 349_524 + "{}]}"
    headings = json.dumps({"text": "# a\n" * 1_600_000, "split": "chapters"})
    voices = json.dumps({"text": "Hi.", "fallback": ["x"] * 99_000})
    events = json.dumps({"url": "https://example.com", "events": ["x"] * 99_000})
    worst, longest = 0.0, 0
    for path, body, sender in (
        ("/api/v1/jobs", scenes, ""),
        ("/api/v1/jobs", headings, ""),
        ("/api/v1/estimate", scenes, token),
        ("/api/v1/estimate", headings, token),
        ("/api/v1/estimate", voices, token),
        ("/api/v1/webhooks", events, token),
    ):
        before = _cpu_seconds(web)
        status, answer, _ = _ask(web, "POST", path, body.encode(), sender)
        spent = _cpu_seconds(web) - before
        assert status == 400, answer[:300]
        worst, longest = max(worst, spent), max(longest, len(answer))
    _say(
        f"bodies made to be refused slowly: at most {worst:.2f} s of CPU and "
        f"{longest} bytes of answer"
    )
    assert worst < 1.0
    assert longest < 64 * 1024


def _cpu_seconds(web: Web) -> float:
    """Return the CPU time of the web so far, idle turns of its loops included."""
    ticks = 0
    for pid in web.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK
