"""Which addresses we call: none that could lead into our own network.

A URL is looked at when it is saved and again at each attempt. That says nothing about
where its name leads, so what counts is the last check: the addresses that the name stands
for are vetted by whoever connects, and one of exactly these is connected to.
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
# that no way of writing an IP address passes.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


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

    @property
    def url(self) -> str:
        """The URL in its normal form."""
        return f"{self.scheme}://{self.authority}{self.path}"


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


def resolve(target: Target, seconds: float) -> Sequence[IPAddress]:
    """Return the addresses of a target, all of them vetted; look it up once.

    Raises:
        Unreachable: there are none, they could not be found in time, or one of them is
            not public.
    """
    # A dot at the end: no search domain of this machine is tried.
    name = target.host if target.is_loopback else f"{target.host}."
    try:
        found = look_up(name, target.port, min(seconds, _LOOKUP))
    except TimeoutError as error:
        raise Unreachable(f"{target.host} could not be looked up in time") from error
    return check_addresses(target.host, found, partial(may_connect, target))


def may_connect(target: Target, address: IPAddress) -> bool:
    """Whether we connect to `address` for `target`."""
    if target.is_loopback:
        return bool(settings.WEBHOOK_ALLOW_LOOPBACK) and address.is_loopback
    return is_public(address, tuple(settings.WEBHOOK_BLOCKED_NETWORKS))


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
