"""Which addresses are public, and which are allowed for operators' servers."""

import ipaddress
import socket

import pytest

from kit import http
from kit.http.addresses import check_addresses, is_public, is_server_address, look_up

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3
168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1
192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 233.252.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1
64:ff9b:1::1 100::1 100:0:0:1::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2620:4f:8000::1 3fff::1 3fff:fff::1 5f00::1
fc00::1 fd00:ec2::254 fd12:3456:789a::1 fe80::1 fec0::1 ff00::1 ff02::1 ff0e::1
""".split()

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 172.15.255.255 172.32.0.1 192.167.255.255 198.17.255.255
223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450:4001:80b::200e
::ffff:8.8.8.8
""".split()


# Addresses that operators may configure, and those that they may not.
OPERATORS_MAY = """
8.8.8.8 10.0.0.1 100.64.0.1 127.0.0.1 172.17.0.2 192.168.1.5 2606:4700:4700::1111 ::1
fd12:3456:789a::1 ::ffff:10.0.0.1
""".split()
NOBODYS = """
0.0.0.0 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 224.0.0.1 240.0.0.1
255.255.255.255 :: fd00:ec2::254 fe80::1 ff02::1 ::ffff:169.254.169.254
""".split()


def test_special_purpose_addresses_are_not_public() -> None:
    assert len(NOT_PUBLIC) >= 50
    wrong = [text for text in NOT_PUBLIC if is_public(ipaddress.ip_address(text))]
    assert wrong == []
    wrong = [text for text in PUBLIC if not is_public(ipaddress.ip_address(text))]
    assert wrong == []


def test_more_can_be_refused() -> None:
    more = ("1.1.1.0/24", " 2606:4700::/32")
    assert not is_public(ipaddress.ip_address("1.1.1.1"), more)
    assert not is_public(ipaddress.ip_address("2606:4700:4700::1111"), more)
    assert is_public(ipaddress.ip_address("8.8.8.8"), more)


def test_a_server_may_not_be_a_link_local_or_multicast_address() -> None:
    wrong = [
        text
        for text in OPERATORS_MAY
        if not is_server_address(ipaddress.ip_address(text))
    ]
    assert wrong == []
    wrong = [text for text in NOBODYS if is_server_address(ipaddress.ip_address(text))]
    assert wrong == []


def test_one_refused_address_refuses_the_whole_name() -> None:
    good, bad = map(ipaddress.ip_address, ("8.8.8.8", "10.0.0.1"))
    assert check_addresses("a.example.com", [good], is_public) == [good]
    for found in ([bad], [good, bad], []):
        with pytest.raises(http.Unreachable):
            check_addresses("a.example.com", found, is_public)


def test_look_up_returns_each_address_once(monkeypatch) -> None:
    answers = [(2, 1, 6, "", ("127.0.0.1", 9)), (10, 1, 6, "", ("::1", 9, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers * 2)
    found = look_up("a.example.com", 9, 20)
    assert list(map(str, found)) == ["127.0.0.1", "::1"]
