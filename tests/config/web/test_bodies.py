"""Limits of request bodies, with the test client and over real sockets."""

import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from io import BytesIO
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from accounts.models import User
from config.urls import handler400  # noqa: F401 - as in the real routes
from config.urls import urlpatterns as ours
from config.web.bodies import limit_of
from synthesis.models import Job
from tests import factories, processes
from tests.processes import Web
from tests.synthesis import catalogue

MB = 1024 * 1024


# --- One limit, for every path ---------------------------------------------------------


def echo(request):
    return HttpResponse(request.body)


def read_here(request):
    stream = request.META["wsgi.input"]
    return HttpResponse(b"read here: " + stream.read(5))


urlpatterns = [
    path("api/v1/echo", echo),
    path("echo", echo),
    path("stream", read_here),
    *ours,
]
by_test_client = pytest.mark.urls(__name__)


@pytest.mark.parametrize(
    ("start", "limit"),
    [
        ("/api/v1/jobs", 8 * MB),
        ("/v1/audio/speech", 8 * MB),
        ("/hooks/stripe", MB),
        ("/login", MB // 4),
        ("/", MB // 4),
        ("/admin/", MB // 4),
        ("/api", MB // 4),
    ],
)
def test_each_path_has_its_limit(start, limit):
    assert limit_of(start) == limit


@by_test_client
def test_a_body_may_be_as_long_as_its_limit(settings):
    settings.BODY_LIMITS = {"/api/": 20, "/": 10}
    client = Client()
    for url, limit in (("/api/v1/echo", 20), ("/echo", 10)):
        body = b"a" * limit
        assert client.generic("POST", url, body).content == body
        assert client.generic("POST", url, body + b"a").status_code == 413
        assert client.generic("GET", url, body + b"a").status_code == 413
    refused = client.generic("POST", "/api/v1/echo", b"a" * 21)
    assert refused.json() == {
        "code": "body_too_large",
        "detail": "The body is larger than 20 bytes.",
        "params": {"limit": 20},
    }
    page = client.generic("POST", "/echo", b"a" * 11)
    assert page["Content-Type"].startswith("text/html")
    assert b"<h1>" in page.content
    assert page["X-Request-Id"]


@by_test_client
def test_a_view_may_read_a_body_itself(settings):
    settings.BODY_LIMITS = {"/": 10}
    settings.STREAMED_BODIES = ("/stream",)
    answer = Client().generic("POST", "/stream", b"much more than ten bytes")
    assert answer.content == b"read here: much "


@by_test_client
def test_a_body_that_breaks_off_is_refused():
    class Slow(BytesIO):
        def read(self, size=-1, /):
            raise TimeoutError

    for stream, status, code in (
        (BytesIO(b"abc"), 400, "malformed_json"),
        (Slow(), 408, "request_timeout"),
    ):
        fields: Any = {"wsgi.input": stream, "CONTENT_LENGTH": "9"}
        answer = Client().post("/api/v1/echo", **fields)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@by_test_client
def test_files_in_forms_are_not_stored():
    file = ("f", b"a" * 1000)
    answer = Client().post("/login", {"email": "nobody", "f": file})
    assert answer.wsgi_request.FILES == {}
    assert answer.wsgi_request.POST["email"] == "nobody"


# --- Over a real socket ------------------------------------------------------------------


@pytest.fixture
def web(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Gunicorn with one process and few connections of the database."""
    catalogue.fill(monkeypatch)
    web = processes.start_web(WEB_CONCURRENCY="1", DATABASE_POOL_SIZE="2")
    try:
        web.wait()
        yield web
    finally:
        processes.kill(web.process)


def ask(web: Web, method: str, url: str, body: Any, token: str = "") -> Any:
    client = HTTPConnection("127.0.0.1", web.port, timeout=30)
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    with contextlib.closing(client):
        client.request(method, url, body, fields, encode_chunked=True)
        answer = client.getresponse()
        return answer.status, answer.read()


def chunks(body: bytes) -> Iterator[bytes]:
    """Return `body` in parts; what comes so is sent in chunks, without its length."""
    yield body[:3]
    yield body[3:]


@pytest.mark.system
def test_bodies_by_real_sockets(web: Web) -> None:
    person = factories.user()
    token = factories.token(person)

    # Chunks are a body like any other.
    body = json.dumps({"preferences": {"theme": "dark"}}).encode()
    status, answer = ask(web, "PATCH", "/api/v1/me", chunks(body), token)
    assert (status, json.loads(answer)["preferences"]) == (200, {"theme": "dark"})
    assert User.objects.get(pk=person.pk).preferences == {"theme": "dark"}
    job = {"text": "Hello.", "voice": "unicorn:en-us", "max_cost": 5}
    status, answer = ask(
        web, "POST", "/api/v1/jobs", chunks(json.dumps(job).encode()), token
    )
    assert (status, json.loads(answer)["code"]) == (409, "price_changed")
    assert Job.objects.count() == 0
    status, answer = ask(web, "POST", "/api/v1/jobs", chunks(b"nonsense"), token)
    assert (status, json.loads(answer)["code"]) == (400, "malformed_json")

    # A body above the limit is refused by its length, and by count.
    long = b'{"text": "' + b"a" * 8 * MB + b'"}'
    for sent in (long, chunks(long)):
        status, answer = ask(web, "POST", "/api/v1/jobs", sent, token)
        assert (status, json.loads(answer)["code"]) == (413, "body_too_large")
    status, answer = ask(web, "POST", "/login", b"email=" + b"a" * MB)
    assert (status, b"<h1>" in answer) == (413, True)

    # A client that sends slowly holds no database connection, and delays nobody.
    head = (
        f"PATCH /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}"
    )
    slow = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(20)]
    for client in slow:
        client.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{{".encode())
    for _ in range(4):
        assert ask(web, "GET", "/api/v1/credits", None, token)[0] == 200
    slow[0].sendall(body[1:])
    assert slow[0].recv(12) == b"HTTP/1.1 200"
    for client in slow:
        client.close()

    # Broken chunks are no body.
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as client:
        client.sendall(f"{head}\r\nTransfer-Encoding: chunked\r\n\r\nodd\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 400"
