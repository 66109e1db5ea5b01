"""Sessions of `requests`: its comfort, and the limits of our own client."""

from contextlib import ExitStack

import pytest
import requests

from kit.http import session as sessions
from kit.http.addresses import is_public
from tests.kit.http.calling import limits
from tests.kit.http.server import OK, answer, dripping, hang_up, serving

SECRET = "s3cr3t-of-a-test"


@pytest.fixture
def serve():
    with ExitStack() as stack:
        yield lambda *scripts: stack.enter_context(serving(*scripts))


def test_json_is_sent_and_read(serve) -> None:
    server = serve(answer(b'{"a": "\xc3\xa9"}', "X-Name: value"))
    session = sessions.session()
    session.headers["Authorization"] = f"Bearer {SECRET}"
    given = session.post(server.url, json={"c": 2}, params={"d": 3})
    assert (given.status_code, given.json()) == (200, {"a": "é"})
    assert given.headers["x-name"] == "value"
    (request,) = server.requests
    assert request.lines[0] == "POST /path?a=1&d=3 HTTP/1.1"
    assert f"Authorization: Bearer {SECRET}" in request.lines
    assert request.body == b'{"c": 2}'


def test_a_redirect_is_a_response(serve) -> None:
    elsewhere = serve()
    server = serve(answer(b"", f"Location: {elsewhere.url}", status=302))
    session = sessions.session()
    session.headers["Authorization"] = SECRET
    assert session.get(server.url).status_code == 302
    assert elsewhere.accepted == 0


def test_nothing_of_the_environment_is_used(serve, monkeypatch, tmp_path) -> None:
    proxy, server = serve(), serve(answer())
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login a password {SECRET}")
    monkeypatch.setenv("NETRC", str(netrc))
    assert sessions.session().get(server.url).content == b"hello"
    assert proxy.accepted == 0
    assert "Authorization" not in server.requests[0].head


def test_a_drip_ends_at_the_total_and_errors_name_no_secret(serve) -> None:
    slow = serve(dripping(OK + b"\r\n", b"x" * 1000))
    session = sessions.session(limits(total=0.2))
    session.headers["Authorization"] = SECRET
    with pytest.raises(requests.Timeout) as timed_out:
        session.get(f"{slow.url}&key={SECRET}")
    gone = serve(hang_up)
    with pytest.raises(requests.ConnectionError) as broken:
        session.get(f"{gone.url}&key={SECRET}")
    assert (str(timed_out.value), str(broken.value)) == ("TimedOut", "Broken")
    for error in (timed_out.value, broken.value):
        assert error.__cause__ is None
        assert error.__suppress_context__


def test_addresses_are_checked(serve) -> None:
    server = serve(answer())
    metadata = f"http://169.254.169.254:{server.port}/"  # of a cloud
    for session, url in (
        (sessions.session(), metadata),
        (sessions.session(may_connect=is_public), server.url),
    ):
        with pytest.raises(requests.ConnectionError, match="Unreachable"):
            session.get(url)
    assert server.accepted == 0
