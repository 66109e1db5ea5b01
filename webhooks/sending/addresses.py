"""Which addresses we call: none that could lead into our own network.

A URL is looked at when it is saved and again at each attempt. That says nothing about
where its name leads, so what counts is the last check: the addresses that the name stands
for are vetted by whoever connects, and one of exactly these is connected to.
"""

import ipaddress
import re
import socket
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from webhooks.errors import UnusableURL

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST = 2048  # characters of a URL
_LOOKUP = 3.0  # seconds for a name
# At least two labels of letters, digits and hyphens; the last begins with a letter, so
# that no way of writing an IP address passes.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

# Beyond what `ipaddress` knows as not global. IANA's special-purpose registries, read
# 2026-11-20, and one address at which a cloud serves its machines.
_REFUSED_IPV4 = (
    "0.0.0.0/8",
    "100.64.0.0/10",
    "168.63.129.16/32",
    "192.0.0.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "224.0.0.0/3",
)
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_IPV6 = (
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
)
_ALWAYS_REFUSED = tuple(
    ipaddress.ip_network(text) for text in (*_REFUSED_IPV4, *_REFUSED_IPV6)
)


class Unreachable(OSError):
    """The name leads nowhere, or to where we don't go; callers can't tell which."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called, in parts."""

    scheme: str
    host: str  # ASCII, lower case
    port: int
    path: str  # with the query

    @property
    def is_loopback(self) -> bool:
        """Whether it means this machine, which only development allows."""
        return self.host in _LOOPBACK_NAMES

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Return the parts of `url`.

    Raises:
        UnusableURL: it is not one that we call, for the reason that it gives.
    """
    if len(url) > _LONGEST:
        raise UnusableURL(f"At most {_LONGEST} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise UnusableURL(
            "Spaces, backslashes and control characters don't belong here."
        )
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise UnusableURL("This is not a URL.") from error
    host = (parts.host or "").strip("[]")
    target = Target(
        scheme=parts.scheme or "",
        host=host,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        path=parts.request_uri,
    )
    if parts.auth is not None:
        raise UnusableURL("Leave out user and password.")
    if parts.fragment is not None:
        raise UnusableURL("Leave out the fragment (#…).")
    if target.is_loopback and settings.WEBHOOK_ALLOW_LOOPBACK:
        if target.scheme not in ("http", "https"):
            raise UnusableURL("The address must begin with http:// or https://.")
        if target.port == settings.PORT:
            raise UnusableURL("This address is our own.")
        return target
    if target.scheme != "https":
        raise UnusableURL("The address must begin with https://.")
    if not _NAME.fullmatch(host):
        raise UnusableURL("Give a full host name, such as hooks.example.com.")
    if target.port not in settings.WEBHOOK_PORTS:
        ports = " or ".join(map(str, settings.WEBHOOK_PORTS))
        raise UnusableURL(f"The port must be {ports}.")
    if _is_our_own(host):
        raise UnusableURL("This address is our own.")
    return target


def resolve(target: Target) -> list[IPAddress]:
    """Return the addresses of a target, all of them vetted; look it up once.

    Raises:
        Unreachable: there are none, they could not be found in time, or one of them is
            not public: a name that mixes good and bad addresses is up to something.
    """
    found = _look_up(target)
    for address in found:
        if not may_connect(address, target):
            raise Unreachable(f"{target.host} leads to {address}")
    if not found:
        raise Unreachable(f"{target.host} leads nowhere")
    return found


def may_connect(address: IPAddress, target: Target) -> bool:
    """Whether we connect to `address` for `target`."""
    if target.is_loopback:
        return bool(settings.WEBHOOK_ALLOW_LOOPBACK) and address.is_loopback
    return is_public(address)


def is_public(address: IPAddress) -> bool:
    """Whether `address` is somebody's on the internet, and none of a special meaning."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address not in _PUBLIC_IPV6:
            return False
    if not address.is_global or address.is_multicast:
        return False
    refused = (
        *_ALWAYS_REFUSED,
        *_refused_here(tuple(settings.WEBHOOK_BLOCKED_NETWORKS)),
    )
    return not any(address in network for network in refused)


@lru_cache(maxsize=4)
def _refused_here(texts: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)


def _is_our_own(host: str) -> bool:
    """Whether people reach us under this name: a webhook must not call us back.

    An allowed host that begins with a dot stands for all names below it, too.
    """
    own = urlsplit(settings.BASE_URL).hostname
    return host == own or any(
        host == name.lower().lstrip(".")
        or (name.startswith(".") and host.endswith(name.lower()))
        for name in settings.ALLOWED_HOSTS
    )


def _look_up(target: Target) -> list[IPAddress]:
    """Ask the resolver, which knows no time limit, in a thread that may be left behind."""
    # A dot at the end: no search domain of this machine is tried.
    name = target.host if target.is_loopback else f"{target.host}."
    found: list[IPAddress] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(name, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failure.append(OSError(str(error)))
        else:
            found.extend(ipaddress.ip_address(answer[4][0]) for answer in answers)

    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    thread.start()
    thread.join(_LOOKUP)
    if thread.is_alive():
        raise Unreachable(f"{target.host} could not be looked up in time")
    if failure:
        raise Unreachable(f"{target.host}: {failure[0]}")
    return list(dict.fromkeys(found))
