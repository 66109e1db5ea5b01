"""The web worker, over real sockets, with a small application."""

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.embedded import children
from tests.config.web.app import BIG, LIMIT

pytestmark = pytest.mark.system

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEALTHY = {"method": "GET", "size": 0, "digest": hashlib.sha256().hexdigest()}


class Server:
    """Gunicorn with one process of two threads."""

    def __init__(self, worker: str, folder: Path, *options: str) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = listener.getsockname()
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process: subprocess.Popen[bytes] = children.spawn(
                [
                    *(sys.executable, "-m", "gunicorn", "tests.config.web.app"),
                    *("--bind", f"fd://{listener.fileno()}", "--threads", "2"),
                    *("--worker-class", f"tests.config.web.app.{worker}"),
                    *("--no-control-socket", "--keep-alive", "60"),
                    *("--worker-tmp-dir", str(folder), *options),
                ],
                on_parent_death=signal.SIGKILL,
                output=log.fileno(),
                directory=settings.BASE_DIR,
                inherit=[listener.fileno()],
            )
        listener.close()

    def connect(self, *sent: bytes) -> socket.socket:
        client = socket.create_connection(self.address, timeout=30)
        for part in sent:
            client.sendall(part)
        return client

    def ask(self, method: str = "GET", path: str = "/", body: Any = None) -> Any:
        """Return the response to a request that is sent by a usual client."""
        client = HTTPConnection("127.0.0.1", self.address[1], timeout=30)
        with contextlib.closing(client):
            client.request(method, path, body, encode_chunked=True)
            answer = client.getresponse()
            return answer.status, answer.read()

    @property
    def worker(self) -> int:
        """Return the process id of the worker."""
        pid = self.process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)

    def is_healthy(self) -> bool:
        return bool(json.loads(self.ask()[1]) == HEALTHY)


@pytest.fixture(scope="module", params=["Impatient"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server for several tests; the parameter is the worker with gunicorn's options."""
    worker, *options = request.param.split()
    started = Server(worker, tmp_path_factory.mktemp("server"), *options)
    yield started
    children.stop(started.process, signal.SIGKILL, 10)


patient = pytest.mark.parametrize("server", ["Patient"], indirect=True)


class _Kept:
    """A buffer of a connection that stays open when a response has been read."""

    def __init__(self, client: socket.socket) -> None:
        self._file = client.makefile("rb")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def makefile(self, mode: str) -> "_Kept":
        return self

    def close(self) -> None:
        """Stay open."""


def answers(client: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield the answers that come by one connection, until it ends."""
    kept: Any = _Kept(client)
    while kept.peek(1):
        answer = HTTPResponse(kept)
        answer.begin()
        yield answer.status, answer.read()


def echo_of(body: bytes, method: str = "POST") -> tuple[int, dict[str, Any]]:
    """Return how the application describes a request."""
    digest = hashlib.sha256(body).hexdigest()
    return 200, {"method": method, "size": len(body), "digest": digest}


def post(body: bytes, *fields: str, path: str = "/") -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(head).encode() + body


def rest_of(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65_536), b""))


# --- Slow clients ----------------------------------------------------------------------


@patient
def test_slow_clients_hold_no_threads(server):
    slow = [
        *(server.connect(b"GET /hea") for _ in range(100)),
        *(server.connect(post(b"{", "Content-Length: 100")) for _ in range(40)),
        *(server.connect(CHUNKED + b"5\r\na") for _ in range(40)),
        *(server.connect() for _ in range(20)),
        *(server.connect(b"GET /big HTTP/1.1\r\n\r\n") for _ in range(5)),
        *(server.connect(b"GET /file HTTP/1.1\r\n\r\n") for _ in range(5)),
    ]
    for _ in range(10):
        assert server.is_healthy()
    # None of them has lost anything, either.
    slow[0].sendall(b"lth HTTP/1.1\r\n\r\n")
    assert json.loads(next(answers(slow[0]))[1]) == HEALTHY
    slow[100].sendall(b"x" * 99)
    assert json.loads(next(answers(slow[100]))[1])["size"] == 100
    slow[140].sendall(b"bcde\r\n0\r\n\r\n")
    assert json.loads(next(answers(slow[140]))[1]) == echo_of(b"abcde")[1]
    for client in slow[-10:]:
        assert next(answers(client)) == (200, b"x" * BIG)
    for client in slow:
        client.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"G",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n1234",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1234",
        GET + b"GET / HT",
    ],
)
def test_a_slow_request_gets_408(server, sent):
    client = server.connect(sent)
    *before, (status, body) = answers(client)
    assert [status for status, _ in before] == [200] * sent.startswith(GET)
    assert status == 408
    assert json.loads(body) == {
        "code": "request_timeout",
        "detail": "The request arrived too slowly. Please send it again.",
        "params": {},
    }


@pytest.mark.parametrize("server", ["Impatient --keep-alive 1"], indirect=True)
def test_an_idle_connection_is_closed_without_a_response(server):
    unused, kept = server.connect(), server.connect(GET)
    assert rest_of(unused) == b""
    assert len(list(answers(kept))) == 1


def test_a_client_that_reads_nothing_is_disconnected(server):
    clients = [
        server.connect(f"GET /{path} HTTP/1.1\r\n\r\n".encode())
        for path in ("big", "parts", "file")
    ]
    for client in clients:
        client.recv(1)
    deadline = time.monotonic() + 30
    while any(map(_is_open, clients)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.is_healthy()


def _is_open(client: socket.socket) -> bool:
    """Return whether the server's end of a connection exists, without reading from it."""
    port = f"{client.getsockname()[1]:04X}"
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(
        line.split()[2].endswith(f":{port}") and line.split()[3] == "01"
        for line in table
    )


@pytest.mark.parametrize(
    "server", ["Patient --worker-connections 20 --threads 1"], indirect=True
)
def test_the_oldest_connection_is_closed_if_there_are_too_many(server):
    unread = server.connect(b"GET /big HTTP/1.1\r\n\r\n")
    unread.recv(1)
    for _ in range(2):  # the only thread is free: the main loop sends the rest
        assert server.is_healthy()
    clients = [server.connect(b"GET / HT") for _ in range(30)]
    assert server.is_healthy()
    assert rest_of(clients[0]) == b""
    assert 0 < len(rest_of(unread)) < BIG
    clients[-1].sendall(b"TP/1.1\r\n\r\n")
    assert next(answers(clients[-1]))[0] == 200


@patient
def test_the_oldest_long_request_is_refused_if_too_much_is_stored(server):
    half = b"a" * 400_000
    clients = []
    for _ in range(4):
        clients.append(server.connect(post(half, "Content-Length: 800000")))
        assert server.is_healthy()
    status, body = next(answers(clients[0]))
    assert (status, json.loads(body)["code"]) == (503, "overloaded")
    clients[-1].sendall(half)
    assert next(answers(clients[-1]))[0] == 200
    # What is whole isn't refused: then there is no room for more.
    running = [
        server.connect(post(half, "Content-Length: 400000", path="/wait?stored"))
        for _ in range(2)
    ]
    assert all(server.is_healthy() for _ in range(20))  # by now they have arrived
    late = server.connect(post(half, "Content-Length: 400000"))
    assert next(answers(late))[0] == 503
    assert server.ask(path="/release?stored") == (200, b"released")
    assert [next(answers(client)) for client in running] == [(200, b"released")] * 2
    assert next(answers(server.connect(post(half, "Content-Length: 400000"))))[0] == 200


@patient
def test_large_bodies_have_threads_of_their_own(server):
    large = [
        server.connect(
            post(b"a" * 200_000, "Content-Length: 200000", path="/wait?large")
        )
        for _ in range(3)
    ]
    assert all(server.is_healthy() for _ in range(20))  # by now they have arrived
    assert server.ask(path="/release?large") == (200, b"released")
    assert [next(answers(client)) for client in large] == [(200, b"released")] * 3


# --- Bodies ----------------------------------------------------------------------------

CHUNKED = post(b"", "Transfer-Encoding: chunked")


def test_bodies_are_read_whole(server):
    long = bytes(range(256)) * 4000
    for body in (b"", b"a", long, long * 2):
        status, answer = server.ask("POST", body=body)
        assert (status, json.loads(answer)) == echo_of(body)
        parts = [body[:10], body[10:70_000], body[70_000:]]
        status, answer = server.ask("PUT", body=iter(parts))
        assert (status, json.loads(answer)) == echo_of(body, "PUT")


@patient
def test_requests_follow_each_other(server):
    chunks = b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n"
    requests = [
        GET,
        post(b"hello", "Content-Length: 5"),
        CHUNKED + chunks,
        post(b"", "Content-Length: 5", path="/unread") + b"12345",
        post(b"bye", "Content-Length: 3", "Connection: close"),
    ]
    expected = [HEALTHY, *(echo_of(body)[1] for body in (b"hello", b"hello!", b"bye"))]
    for client in (
        server.connect(b"".join(requests)),
        server.connect(*requests),
        server.connect(*(bytes([byte]) for byte in b"".join(requests))),
    ):
        found = list(answers(client))
        assert found.pop(3) == (200, b"unread")
        assert [json.loads(body) for _, body in found] == expected


def test_a_client_may_expect_100_continue(server):
    client = server.connect(post(b"", "Content-Length: 5", "Expect: 100-continue"))
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"hello")
    assert json.loads(next(answers(client))[1]) == echo_of(b"hello")[1]
    # Not needed if the body is there; if it is too long, the request is refused.
    both = server.connect(post(b"hello", "Content-Length: 5", "Expect: 100-continue"))
    assert both.recv(15) == b"HTTP/1.1 200 OK"
    long = post(b"", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
    assert server.connect(long).recv(12) == b"HTTP/1.1 413"


@patient
@pytest.mark.parametrize(
    "head",
    [
        post(b"", f"Content-Length: {100 * LIMIT}"),
        CHUNKED + b"%X\r\n" % (100 * LIMIT),
    ],
)
def test_a_body_above_the_limit_is_refused_before_it_has_arrived(server, head):
    client = server.connect(head)
    client.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while sent < 4 * LIMIT:
            sent += client.send(b"a" * 65_536)
            time.sleep(0.001)
    client.setblocking(True)
    ((status, body),) = answers(client)
    assert status == 413
    # The length is for the application to refuse, which knows the limit of the path.
    assert (b"body_too_large" in body) == head.startswith(CHUNKED)
    assert server.is_healthy()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000, 431, "headers_too_large"),
        (CHUNKED + b"1\r\na\r\n" * 20_001, 400, "too_many_chunks"),
        (b"nonsense\r\n\r\n", 400, None),
        (CHUNKED + b"nonsense\r\n\r\n", 400, None),
        (post(b"", "Content-Length: nonsense"), 400, None),
        (post(b"", "Content-Length: 1", "Transfer-Encoding: chunked"), 400, None),
        (b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", 400, None),
    ],
)
def test_invalid_requests_are_refused(server, sent, status, code):
    client = server.connect()
    with contextlib.suppress(ConnectionError):
        client.sendall(sent)
    ((found, body),) = answers(client)
    assert found == status
    if code:
        assert json.loads(body)["code"] == code
    assert server.is_healthy()


def test_disconnected_clients_leave_nothing_behind(server):
    for sent in (b"", b"GET", post(b"a", "Content-Length: 9"), b"GET /big" + GET[5:]):
        for _ in range(30):
            server.connect(sent).close()
    assert server.is_healthy()
    assert b"Traceback" not in server.log.read_bytes()


# --- Streams and answers ---------------------------------------------------------------


@patient
def test_a_stream_is_read_and_answered_at_the_same_time(server):
    client = server.connect(post(b"", "Transfer-Encoding: chunked", path="/stream"))
    answer = HTTPResponse(client)
    answer.begin()
    assert answer.read(6) == b"begin "
    for part in (b"hello", b"world"):
        client.sendall(b"5\r\n%s\r\n" % part)
        assert answer.read(5) == part
    client.sendall(b"0\r\n\r\n")
    assert answer.read() == b""
    assert rest_of(client) == b""


def test_a_silent_stream_times_out(server):
    client = server.connect(post(b"", "Content-Length: 9", path="/stream"), b"hello")
    assert list(answers(client)) == [(200, b"begin hello silence")]


@patient
def test_answers_arrive_whole_however_slowly_they_are_read(server):
    for path in ("big", "parts", "file"):
        client = server.connect(f"GET /{path} HTTP/1.1\r\n\r\n".encode())
        answer = HTTPResponse(client)
        answer.begin()
        read = 0
        while part := answer.read(512 * 1024):
            assert part == b"x" * len(part)
            read += len(part)
            assert server.is_healthy()
        assert read == BIG
        client.sendall(GET)  # and the connection is kept
        assert json.loads(next(answers(client))[1]) == HEALTHY


def test_an_answer_that_breaks_has_no_end(server):
    client = server.connect(b"GET /breaks HTTP/1.1\r\n\r\n")
    assert rest_of(client).endswith(b"\r\n\r\nA\r\nhalf of it\r\n")
    assert server.is_healthy()


@pytest.mark.slow("gunicorn keeps idle connections for two seconds while it stops")
@pytest.mark.parametrize("server", ["Patient --keep-alive 30"], indirect=True)
def test_a_stopping_worker_finishes_its_requests_and_refuses_connections(server):
    idle = server.connect(GET)
    next(answers(idle))
    running = server.connect(b"GET /wait HTTP/1.1\r\n\r\n")
    half = server.connect(post(b"hel", "Content-Length: 5"))
    assert server.is_healthy()
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    connected = [
        *(server.connect(GET) for _ in range(8)),
        server.connect(b"GET /release HTTP/1.1\r\n\r\n"),
    ]
    server.process.send_signal(signal.SIGTERM)
    while not _is_pending(worker, signal.SIGTERM):
        time.sleep(0.01)
    os.kill(worker, signal.SIGCONT)
    for client in connected[:8]:
        assert [json.loads(body) for _, body in answers(client)] == [HEALTHY]
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    half.sendall(b"lo")
    assert list(answers(connected[8])) == [(200, b"released")]
    assert list(answers(running)) == [(200, b"released")]
    assert [json.loads(body) for _, body in answers(half)] == [echo_of(b"hello")[1]]
    assert rest_of(idle) == b""
    assert server.process.wait(30) == 0


def _is_pending(process: int, number: signal.Signals) -> bool:
    """Return whether a stopped process will get a signal when it continues."""
    status = Path(f"/proc/{process}/status").read_text()
    (pending,) = re.findall(r"ShdPnd:\s*([0-9a-f]+)", status)
    return bool(int(pending, 16) >> (number - 1) & 1)
