"""What the sender survives. Deadlines are short here; their mechanism is the same."""

import datetime
import resource
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks.sending import post as sending_post
from webhooks.sending.post import DEADLINE, Outcome


def post(url, body, headers, *, deadline: float = DEADLINE) -> Outcome:
    return sending_post.post(url, body, headers, deadline=deadline)


HEADERS = {"Content-Type": "application/json", "webhook-id": "1"}


def test_a_request_arrives_as_it_was_given(receiver: Receiver) -> None:
    receiver.play(scripts.status(204))
    outcome = post(receiver.url("/hook?a=1"), b'{"x":"\xc3\xa9"}', HEADERS)

    assert (outcome.status, outcome.failure) == (200, "")
    assert outcome.address == "127.0.0.1"
    request = receiver.received[0]
    assert request.path == "/hook?a=1"
    assert request.body == b'{"x":"\xc3\xa9"}'
    assert request.headers["webhook-id"] == "1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.server_address[1]}"
    assert request.headers["connection"] == "close"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("code", [200, 204, 302, 410, 429, 500, 503])
def test_each_status_is_told(receiver: Receiver, code: int) -> None:
    receiver.play(
        scripts.status(code, "Location: /elsewhere", "Retry-After: 7", body=b"why")
    )
    outcome = post(receiver.url(), b"{}", HEADERS)

    assert (outcome.status, outcome.failure, outcome.retry_after) == (code, "", "7")
    assert outcome.answer == ("why" if code != 204 else "")
    assert [request.path for request in receiver.received] == ["/hook"]


@pytest.mark.parametrize(
    ("script", "status", "failure"),
    [
        (scripts.hang, None, "timeout"),
        (scripts.drip_header, None, "timeout"),
        (scripts.drip_body, 200, ""),
    ],
)
def test_nobody_holds_us_beyond_the_deadline(
    receiver: Receiver, script, status, failure
) -> None:
    receiver.play(script)
    began = time.monotonic()
    outcome = post(receiver.url(), b"{}", HEADERS, deadline=0.6)
    took = time.monotonic() - began

    assert (outcome.status, outcome.failure) == (status, failure)
    assert took < 5  # each byte would have given a plain timeout 0.6 s more, for 30 s
    if status:
        assert outcome.answer.startswith("x")


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (scripts.reset, "broken"),
        (scripts.garbage, "broken"),
        (scripts.endless_head, "broken"),
        (scripts.endless_promises, "broken"),
    ],
)
def test_a_broken_answer_is_named(receiver: Receiver, script, failure) -> None:
    receiver.play(script)
    outcome = post(receiver.url(), b"{}", HEADERS)
    assert (outcome.status, outcome.failure) == (None, failure)


@pytest.mark.parametrize("announced", ["100 Continue", "103 Early Hints"])
def test_an_answer_may_be_announced(receiver: Receiver, announced) -> None:
    def announce(peer: socket.socket) -> None:
        head = f"HTTP/1.1 {announced}\r\nLink: </a.css>\r\nRetry-After: 60\r\n\r\n"
        peer.sendall(head.encode() * 2)
        scripts.status(204)(peer)

    receiver.play(announce)
    outcome = post(receiver.url(), b"{}", HEADERS)
    assert (outcome.status, outcome.retry_after) == (204, "")


@pytest.mark.parametrize("script", [scripts.huge, scripts.gzip_bomb])
def test_little_of_a_large_answer_is_read(receiver: Receiver, script) -> None:
    receiver.play(script)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = post(receiver.url(), b"{}", HEADERS)

    assert outcome.status == 200
    assert len(outcome.answer) <= 2048
    if script is scripts.huge:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 50_000  # KB; the receiver lives in this process too


def test_of_an_answer_in_tiny_chunks_the_beginning_is_kept(receiver: Receiver) -> None:
    def chunks(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100_000):
            peer.sendall(b"1;padding=xyz\r\na\r\n")

    receiver.play(chunks)
    outcome = post(receiver.url(), b"{}", HEADERS)
    assert (outcome.status, outcome.failure) == (500, "")
    assert 1000 < len(outcome.answer) <= 2048
    assert set(outcome.answer) == {"a"}


def test_an_answer_of_zeros_can_be_stored(receiver: Receiver) -> None:
    receiver.play(scripts.status(500, body=b"\0\xff ok"))
    assert post(receiver.url(), b"{}", HEADERS).answer == "\ufffd\ufffd ok"


def test_a_port_where_nobody_listens_is_unreachable(settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    outcome = post(f"http://127.0.0.1:{port}/", b"{}", HEADERS)
    assert (outcome.status, outcome.failure, outcome.address) == (
        None,
        "unreachable",
        "",
    )


def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        assert post(receiver.url(), b"{}", HEADERS).status == 200
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize(
    ("name", "status", "failure"),
    [("hook.example.com", 200, ""), ("other.example.com", None, "tls")],
)
def test_tls_checks_the_name_of_the_url(
    settings, monkeypatch, tmp_path, name, status, failure
) -> None:
    """The connection goes to the vetted address; the certificate is the name's."""
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(_self_signed("hook.example.com"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    names: list[object] = []
    server.sni_callback = lambda _, asked, __: names.append(asked)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings.WEBHOOK_PORTS = [port]
        thread = threading.Thread(target=_serve_one, args=(listener, server))
        thread.start()
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(sending_post, "tls", lambda: trusting)
        monkeypatch.setattr(
            "webhooks.sending.addresses.is_public", lambda address: True
        )
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **_: [(2, 1, 6, "", ("127.0.0.1", port))],
        )
        outcome = post(f"https://{name}:{port}/", b"{}", HEADERS)
        thread.join()

    assert (outcome.status, outcome.failure) == (status, failure)
    assert names == [name]


def test_a_peer_that_stalls_the_handshake_is_cut_off(settings, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings.WEBHOOK_PORTS = [port]
        monkeypatch.setattr(
            "webhooks.sending.addresses.is_public", lambda address: True
        )
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **_: [(2, 1, 6, "", ("127.0.0.1", port))],
        )
        outcome = post(f"https://a.example.com:{port}/", b"", HEADERS, deadline=0.4)
    assert outcome.failure == "timeout"


def test_a_resolver_that_never_answers_does_not_hold_us(monkeypatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("webhooks.sending.addresses._LOOKUP", 0.2)

    def never(*_: object, **__: object) -> list[object]:
        released.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        outcome = post("https://a.example.com/", b"{}", HEADERS)
    finally:
        released.set()
    assert outcome.failure == "unreachable"


def _serve_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    peer, _ = listener.accept()
    try:
        with context.wrap_socket(peer, server_side=True) as secured:
            request = b""
            while not request.endswith(b"{}"):
                request += secured.recv(65_536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        peer.close()  # the other side did not like the certificate


def _self_signed(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
