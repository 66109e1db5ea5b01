"""Measure how long a short job waits beside large work of other workspaces.

The system runs as `make run` starts it, with the built-in voice and an imitated vendor in a
process of its own. In the first part, two workspaces have a book of two scenes of 150,000
characters spoken, and another one has 4.5 hours joined to an audiobook and to an MP3.
Meanwhile a fourth one submits short jobs, one by one: from the answer until a worker
starts. In the second part, four workspaces share the vendor: one has a book of 1,000
scenes, the others submit short jobs: from the answer until the vendor is called, without
and with the book.
"""

import io
import json
import math
import multiprocessing
import os
import statistics
import threading
import time
import wave
from array import array
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

import psycopg
import requests

from benchmarks import verdicts
from benchmarks.system import System
from config.embedded import paths

SHORT = 20  # jobs in the first part
REMOTE = 10  # jobs of each of three workspaces, without the book and with it
START_LIMIT = 2.0  # seconds
SLOWER_LIMIT = 1.2  # times
_VENDOR_SECONDS = 1.0  # for each call, as vendors take for a page
_SENTENCE = "The echo comes back before you have turned around. "
_BOOK = _SENTENCE * (150_000 // len(_SENTENCE))
_LOCAL, _REMOTE_VOICE = "unicorn:en-us", "compatible:alloy"


def main() -> None:
    """Print the waiting times of short jobs, as median and p95."""
    ours, theirs = multiprocessing.Pipe()
    vendor = multiprocessing.get_context("fork").Process(
        target=_vendor, args=(theirs,), daemon=True
    )
    vendor.start()
    address = f"http://127.0.0.1:{ours.recv()}/v1"
    try:
        with System(COMPATIBLE_BASE_URL=address) as system:
            _beside_books(system)
        with System(COMPATIBLE_BASE_URL=address) as system:
            _behind_a_remote_book(system, ours)
    finally:
        vendor.terminate()
        vendor.join()


def _beside_books(system: System) -> None:
    clients = [_client(system, f"bench{n}@example.com") for n in range(4)]
    readers, maker, short = clients[:2], clients[2], clients[3]
    with psycopg.connect(
        host=str(paths.socket_directory(system.home)),
        user=paths.USER,
        dbname=paths.DATABASE,
        autocommit=True,
    ) as database:
        api = f"{system.url}/api/v1"
        made = _book(maker, api, scenes=9, length=27_000)
        _await(maker, made, pause=0.5)
        for reader in readers:
            _book(reader, api, scenes=2, length=150_000)
        waits, audio = [], []
        for kind in ("m4b", "audio"):
            maker.get(f"{made['links']['self']}/{kind}").close()
        for _ in range(SHORT):
            body = {"text": _SENTENCE, "voice": _LOCAL}
            job = _ok(short.post(f"{api}/jobs", json=body))
            accepted = time.perf_counter()
            while not _is_claimed(database, job["transaction_id"]):
                time.sleep(0.01)
            waits.append(time.perf_counter() - accepted)
            _await(short, job)
            audio.append(time.perf_counter() - accepted)
            time.sleep(0.5)
        unfinished = database.execute(
            """SELECT (SELECT count(*) FROM synthesis_scene
                WHERE characters > 100000 AND status IN ('queued', 'processing')),
            (SELECT count(*) FROM synthesis_assembly WHERE status <> 'completed')"""
        ).fetchone()
    assert unfinished is not None
    verdict = verdicts.judge(_p95(waits) <= START_LIMIT)
    print(
        f"a short job beside two books and two assemblies, {SHORT} times, until it "
        f"starts: {_told(waits)}; limit of p95 {START_LIMIT} s: {verdict}"
    )
    print(
        f"until its audio: {_told(audio)}; at the end, {unfinished[0]} of 4 scenes and "
        f"{unfinished[1]} of 2 files were unfinished; load {os.getloadavg()[0]:.1f}"
    )


def _behind_a_remote_book(system: System, vendor: Connection) -> None:
    api = f"{system.url}/api/v1"
    clients = [_client(system, f"bench{n}@example.com") for n in range(4)]
    reader, others = clients[0], clients[1:]
    _short_jobs(others, api, vendor, 3)  # warms up caches and connections
    alone = _short_jobs(others, api, vendor, REMOTE)
    book = _ok(
        reader.post(
            f"{api}/jobs",
            json={
                "scenes": [
                    {"text": f"Page {n}. " + _SENTENCE * 8, "voice": _REMOTE_VOICE}
                    for n in range(1000)
                ]
            },
        )
    )
    beside = _short_jobs(others, api, vendor, REMOTE)
    is_spoken = not _is_unfinished(reader, book)
    ratio = _p95(beside) / _p95(alone)
    print(
        f"a short remote job, until the vendor is called, {len(alone)} times: "
        f"{_told(alone)}; behind a book of 1,000 scenes: {_told(beside)}; p95 {ratio:.2f} "
        f"times; limit {SLOWER_LIMIT} times: {verdicts.judge(ratio <= SLOWER_LIMIT)}; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    if is_spoken:
        print("the book had ended before: the figure says too little")


def _short_jobs(
    clients: list[requests.Session], api: str, vendor: Connection, count: int
) -> list[float]:
    """Return the seconds from accepting each job of each client to the vendor's call."""
    accepted: dict[str, float] = {}

    def send(client: requests.Session, number: int) -> None:
        for turn in range(count):
            text = f"Short {number} {turn} {time.monotonic_ns()}."
            body = {"text": text, "voice": _REMOTE_VOICE}
            job = _ok(client.post(f"{api}/jobs", json=body))
            accepted[text] = time.time()
            _await(client, job, pause=0.1)

    threads = [
        threading.Thread(target=send, args=(client, number))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vendor.send(list(accepted))
    called: dict[str, float] = vendor.recv()
    return [called[text] - at for text, at in accepted.items()]


def _vendor(pipe: Connection) -> None:
    """Serve OpenAI's speech interface; tell when the texts that are asked for came."""
    called: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b'{"voices": ["alloy"]}', "application/json")

        def do_POST(self) -> None:
            now = time.time()
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))[
                "input"
            ]
            called[text] = now
            time.sleep(_VENDOR_SECONDS)
            self._answer(_tone(len(text) / 15), "audio/wav")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients close
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while True:
        texts = pipe.recv()
        pipe.send({text: called[text] for text in texts})


def _tone(seconds: float) -> bytes:
    """Return a WAV file with a tone."""
    rate = 24_000
    period = array("h", (int(8_000 * math.sin(n * math.tau / 100)) for n in range(100)))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(period.tobytes() * int(max(1.0, seconds) * rate / 100))
    return buffer.getvalue()


def _client(system: System, email: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {system.token(email)}"
    return session


def _book(
    client: requests.Session, api: str, *, scenes: int, length: int
) -> dict[str, Any]:
    scene = {"text": _BOOK[:length], "voice": _LOCAL}
    job: dict[str, Any] = _ok(
        client.post(f"{api}/jobs", json={"title": "Book", "scenes": [scene] * scenes})
    )
    return job


def _is_claimed(database: psycopg.Connection, job: str) -> bool:
    row = database.execute(
        "SELECT min(fence) > 0 FROM synthesis_scene WHERE job_id = %s", [job]
    ).fetchone()
    return bool(row and row[0])


def _await(
    client: requests.Session, job: dict[str, Any], *, pause: float = 0.02
) -> None:
    while _is_unfinished(client, job):
        time.sleep(pause)


def _is_unfinished(client: requests.Session, job: dict[str, Any]) -> bool:
    status = _ok(client.get(job["links"]["self"]))["status"]
    if status in ("failed", "partial", "canceled"):
        raise RuntimeError(f"a job {status}")
    return bool(status != "completed")


def _told(seconds: list[float]) -> str:
    return (
        f"median {statistics.median(seconds):.2f} s, p95 {_p95(seconds):.2f} s, "
        f"max {max(seconds):.2f} s"
    )


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


def _ok(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json()
