"""Which addresses may be called: look up a name, and vet what it stands for.

Checking a name before the call proves nothing, for it may lead elsewhere a moment later.
So the addresses are vetted by whoever connects, and one of exactly these is connected to.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from kit.http.errors import Unreachable

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

Resolver: TypeAlias = Callable[[str, int, float], Sequence[IPAddress]]
"""Returns the vetted addresses of a host and port, looked up in so many seconds.

Raises `Unreachable`, or TimeoutError.
"""

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
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text) for text in (*_REFUSED_IPV4, *_REFUSED_IPV6)
)
# Where clouds hand their machines passwords: link-local, but for these two.
_OF_CLOUDS = ("168.63.129.16", "fd00:ec2::254")
_METADATA = frozenset(map(ipaddress.ip_address, _OF_CLOUDS))


def is_public(address: IPAddress, also_refused: tuple[str, ...] = ()) -> bool:
    """Whether `address` is someone's on the internet, and none of a special meaning.

    `also_refused` names networks, such as 10.0.0.0/8, that count as not public besides.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped, also_refused)
        if address not in _PUBLIC_IPV6:
            return False
    if not address.is_global or address.is_multicast:
        return False
    refused = (*_NOT_PUBLIC, *_networks(also_refused))
    return not any(address in network for network in refused)


def is_server(address: IPAddress) -> bool:
    """Whether a server that operators chose may be at `address`.

    It may be in a private network or on this machine, but not where only the network's own
    services are: link-local, where clouds serve their machines' secrets, or multicast.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return is_server(address.ipv4_mapped)
    is_special = (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback)
    )
    return not is_special and address not in _METADATA


@lru_cache(maxsize=4)
def _networks(texts: tuple[str, ...]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)


def vetted(
    host: str, found: Sequence[IPAddress], may_connect: Callable[[IPAddress], bool]
) -> Sequence[IPAddress]:
    """Return the addresses that were `found` for `host`.

    Raises:
        Unreachable: there are none, or one of them may not be connected to: a name that
            mixes good and bad addresses is up to something.
    """
    for address in found:
        if not may_connect(address):
            raise Unreachable(f"{host} leads to {address}")
    if not found:
        raise Unreachable(f"{host} leads nowhere")
    return found


def look_up(host: str, port: int, seconds: float) -> list[IPAddress]:
    """Return the addresses of `host`, the preferred first.

    The resolver knows no time limit, so a thread asks it, which may be left behind.

    Raises:
        Unreachable: the resolver knows none.
        TimeoutError: it did not answer in `seconds`.
    """
    found: list[IPAddress] = []
    failure: list[Exception] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failure.append(error)
        else:
            found.extend(ipaddress.ip_address(answer[4][0]) for answer in answers)

    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if failure:
        raise Unreachable(f"{host}: {failure[0]}")
    return list(dict.fromkeys(found))
