"""Webhooks reach public addresses only, in any notation."""

import ipaddress
import socket
from collections.abc import Callable

import pytest

from kit.errors import Invalid
from tests.cases import cases
from tests.kit.http.test_addresses import NOT_PUBLIC
from tests.webhooks.receiver import listening
from webhooks import checks
from webhooks.sending import addresses
from webhooks.sending import post as sending_post
from webhooks.sending.addresses import parse
from webhooks.sending.post import DEADLINE, Outcome


def post(url, body, headers) -> Outcome:
    return sending_post.post(url, body, headers, deadline=DEADLINE)


REFUSED_URLS = [
    "",
    "hooks.example.com",
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "javascript:alert(1)",
    "//hooks.example.com/",
    "https:/hooks.example.com",
    "https://",
    "https:///path",
    "https://localhost/",
    "https://localhost./",
    "https://intranet/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://1.0x7f/",
    "https://0/",
    "https://8.8.8.8/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[2606:4700:4700::1111]/",
    "https://[fe80::1%25lo]/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://user@hooks.example.com/",
    "https://user:password@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1%2f@hooks.example.com/",
    "https://hooks.example.com#fragment",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:6379/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:-1/",
    "https://hooks..example.com/",
    "https://.example.com/",
    "https://-bad.example.com/",
    "https://under_score.example.com/",
    "https://example.com./",
    "https://exam ple.com/",
    "https://example.com/a b",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\r\nHost: evil",
    "https://example.com/\tx",
    "https://localhost%00.example.com/",
    "https://speech.example.org/hook",
    "https://SPEECH.example.org/hook",
    "https://example.com/" + "a" * 2048,
    "https://" + "a" * 64 + ".example.com/",
]


def test_operators_can_block_more_networks(settings) -> None:
    settings.WEBHOOK_BLOCKED_NETWORKS = ["1.1.1.0/24", "2606:4700::/32"]
    target = parse("https://hooks.example.com/")
    for text, is_good in (
        ("1.1.1.1", False),
        ("2606:4700:4700::1111", False),
        ("8.8.8.8", True),
    ):
        assert addresses.may_connect(target, ipaddress.ip_address(text)) is is_good


def test_unusable_urls_are_refused(settings) -> None:
    settings.BASE_URL = "https://speech.example.org"
    assert len(REFUSED_URLS) >= 50
    for url, case in cases(REFUSED_URLS):
        with case:
            with pytest.raises(Invalid) as refusal:
                parse(url)
            assert list(refusal.value.fields) == ["url"]


@pytest.mark.parametrize(
    ("allowed", "host", "is_ours"),
    [
        ([".example.org"], "example.org", True),
        ([".example.org"], "any.Example.org", True),
        ([".example.org"], "anexample.org", False),
        (["www.example.org"], "www.example.org", True),
        (["www.example.org"], "a.www.example.org", False),
        (["*"], "hooks.example.com", False),
    ],
)
def test_all_of_our_own_names_are_refused(settings, allowed, host, is_ours) -> None:
    settings.ALLOWED_HOSTS = allowed
    if is_ours:
        with pytest.raises(Invalid, match="valid"):
            parse(f"https://{host}/")
    else:
        assert parse(f"https://{host}/").host == host


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/"),
        ("HTTPS://Hooks.Example.COM/A?b=c", "hooks.example.com", 443, "/A?b=c"),
        ("https://hooks.example.com:8443/x", "hooks.example.com", 8443, "/x"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "/x"),
    ],
)
def test_usable_url_is_parsed(url, host, port, path) -> None:
    target = parse(url)
    assert (target.scheme, target.host, target.port) == ("https", host, port)
    assert target.path == path


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost:9/", "https://[::1]:9/x"]
)
def test_loopback_is_allowed_in_development_only(settings, url: str) -> None:
    with pytest.raises(Invalid):
        parse(url)
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    assert parse(url).is_loopback
    settings.PORT = 9
    with pytest.raises(Invalid):  # a webhook must not call us
        parse(url)


def test_loopback_setting_allows_nothing_else(settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    for url in ("http://hooks.example.com/", "http://127.0.0.2/", "http://10.0.0.1/"):
        with pytest.raises(Invalid):
            parse(url)
    target = parse("https://hooks.example.com/")
    assert not addresses.may_connect(target, ipaddress.ip_address("127.0.0.1"))


def test_deployment_check_refuses_loopback(settings) -> None:
    assert checks.check_loopback() == []
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    assert [found.id for found in checks.check_loopback()] == ["webhooks.E001"]
    settings.WEBHOOK_BLOCKED_NETWORKS = ["10.0.0.0/8", "10.0.0.256"]
    assert [found.id for found in checks.check_networks()] == ["webhooks.E002"]


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], []])
def test_a_name_with_any_bad_address_is_not_called(
    settings, monkeypatch, answers
) -> None:
    with listening() as server:
        port = server.server_address[1]
        settings.WEBHOOK_PORTS = [port]
        monkeypatch.setattr(socket, "getaddrinfo", _resolver(answers))
        outcome = post(f"https://hooks.example.com:{port}/", b"{}", {})

    assert (outcome.status, outcome.failure) == (None, "unreachable")
    assert (outcome.address, outcome.answer) == ("", "")
    assert server.connections == 0


def test_dns_rebinding_is_prevented(settings, monkeypatch) -> None:
    """The first lookup is public, a second one would be private: there is no second one."""
    with listening() as server:
        port = server.server_address[1]
        settings.WEBHOOK_PORTS = [port]
        asked: list[str] = []
        connected: list[str] = []

        def resolve(host: str, port: int, **_: object) -> list[object]:
            asked.append(host)
            return _resolver(["93.184.215.14" if len(asked) == 1 else "127.0.0.1"])(
                host, port
            )

        def connect(_: socket.socket, address: tuple[str, int]) -> None:
            connected.append(address[0])
            raise TimeoutError

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket.socket, "connect", connect)
        for _ in range(3):
            asked.clear()
            outcome = post(f"https://hooks.example.com:{port}/", b"{}", {})
            assert outcome.failure == "timeout"
            assert asked == ["hooks.example.com."]

    assert connected == ["93.184.215.14"] * 3
    assert server.connections == 0


def test_no_blocked_address_is_connected_to(settings, monkeypatch) -> None:
    """All cases through the sender itself, with a resolver that knows each name."""
    settings.BASE_URL = "https://speech.example.org"
    connected: list[object] = []
    monkeypatch.setattr(
        socket.socket, "connect", lambda _, address: connected.append(address)
    )
    for url in REFUSED_URLS:
        assert post(url, b"{}", {}).failure == "url", url
    for text in NOT_PUBLIC:
        monkeypatch.setattr(socket, "getaddrinfo", _resolver([text]))
        outcome = post("https://hooks.example.com/", b"{}", {})
        assert outcome.failure == "unreachable", text
    assert connected == []


def test_blocked_address_looks_like_an_unknown_host(monkeypatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", _resolver(["10.0.0.1"]))
    blocked = post("https://hooks.example.com/", b"{}", {})
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    missing = post("https://hooks.example.com/", b"{}", {})
    assert blocked.failure == missing.failure == "unreachable"
    assert blocked.address == missing.address == ""


def _resolver(answers: list[str]) -> Callable[..., list[object]]:
    def resolve(host: str, port: int, **_: object) -> list[object]:
        return [
            (
                socket.AF_INET6 if ":" in text else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (text, port),
            )
            for text in answers
        ]

    return resolve


def test_the_resolver_is_asked_for_the_full_name(monkeypatch) -> None:
    """With a dot at the end, no search domain of ours is tried."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        return _resolver(["93.184.215.14"])(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = addresses.resolve(parse("https://db.internal.example.com/"), 15)
    assert asked == ["db.internal.example.com."]
    assert found == [ipaddress.ip_address("93.184.215.14")]
