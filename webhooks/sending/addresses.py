"""Validate webhook URLs and their IP addresses, to protect our own network (SSRF).

A URL is validated when it is saved and again at each attempt. That doesn't show where its
host name resolves to, so the last check is the one that counts: the client vets the
resolved addresses, and connects to one of exactly these.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from kit.http import Unreachable, look_up
from kit.http.addresses import IPAddress, check_addresses, is_public
from webhooks.errors import UnusableURL

_LONGEST = 2048  # characters of a URL
_LOOKUP = 3.0  # seconds for a name
# At least two labels of letters, digits and hyphens; the last begins with a letter, so
# that no notation of an IP address matches.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Target:
    """A valid URL, in parts."""

    scheme: str
    host: str  # ASCII, lower case
    port: int
    path: str  # with the query

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, which is allowed in development only."""
        return self.host in _LOOPBACK_NAMES

    @property
    def authority(self) -> str:
        """Host and port for the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The normalized URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str) -> Target:
    """Validate `url` and return its parts.

    Raises:
        UnusableURL: the URL is not allowed; the error has the reason.
    """
    if len(url) > _LONGEST:
        raise UnusableURL(f"At most {_LONGEST} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise UnusableURL("Spaces, backslashes and control characters are not allowed.")
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
            raise UnusableURL("This address belongs to Ozvena itself.")
        return target
    if target.scheme != "https":
        raise UnusableURL("The address must begin with https://.")
    if not _NAME.fullmatch(host):
        raise UnusableURL("Give a full host name, such as hooks.example.com.")
    if target.port not in settings.WEBHOOK_PORTS:
        ports = " or ".join(map(str, settings.WEBHOOK_PORTS))
        raise UnusableURL(f"The port must be {ports}.")
    if _is_our_own(host):
        raise UnusableURL("This address belongs to Ozvena itself.")
    return target


def resolve(target: Target, seconds: float) -> Sequence[IPAddress]:
    """Resolve the host of a target once, and return its vetted IP addresses.

    Raises:
        Unreachable: it has no address, the lookup timed out, or an address is not public.
    """
    # With a dot at the end, the resolver tries no search domain of this machine.
    name = target.host if target.is_loopback else f"{target.host}."
    try:
        found = look_up(name, target.port, min(seconds, _LOOKUP))
    except TimeoutError as error:
        raise Unreachable(f"{target.host} could not be looked up in time") from error
    return check_addresses(target.host, found, partial(may_connect, target))


def may_connect(target: Target, address: IPAddress) -> bool:
    """Return whether we may connect to `address` for `target`."""
    if target.is_loopback:
        return bool(settings.WEBHOOK_ALLOW_LOOPBACK) and address.is_loopback
    return is_public(address, tuple(settings.WEBHOOK_BLOCKED_NETWORKS))


def _is_our_own(host: str) -> bool:
    """Return whether `host` is a name of this installation: a webhook must not call us.

    An allowed host that begins with a dot also matches all its subdomains.
    """
    own = urlsplit(settings.BASE_URL).hostname
    return host == own or any(
        host == name.lower().lstrip(".")
        or (name.startswith(".") and host.endswith(name.lower()))
        for name in settings.ALLOWED_HOSTS
    )
