"""Calls with the limits and the resolver of the tests."""

import ipaddress
from collections.abc import Hashable
from dataclasses import replace

import pytest

from kit import http
from kit.http.addresses import IPAddress

LIMITS = http.Limits(connect=20, first_byte=20, quiet=20, total=20)
MOST = 1_000_000  # bytes of a body


def limits(**seconds: float) -> http.Limits:
    return replace(LIMITS, **seconds)


def here(host: str, port: int, seconds: float) -> list[IPAddress]:
    """Resolve every name to this machine."""
    return [ipaddress.ip_address("127.0.0.1")]


def fetch(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    owner: Hashable = None,
    is_fresh: bool = False,
    limits: http.Limits = LIMITS,
    resolve: http.addresses.Resolver = here,
) -> bytes:
    """Call and return the whole body of the answer."""
    with http.call(
        method,
        url,
        {},
        body,
        limits=limits,
        resolve=resolve,
        owner=owner,
        is_fresh=is_fresh,
    ) as answer:
        return b"".join(answer.parts(MOST))


def failure(url: str, **arguments: object) -> http.CallFailed:
    """Make a call that fails; return its exception."""
    with pytest.raises(http.CallFailed) as caught:
        fetch(url, **arguments)  # type: ignore[arg-type]
    return caught.value
