"""Resolve host names and check which IP addresses may be called (SSRF protection).

Checking a name before the call proves nothing: it may resolve to another address a moment
later. So the client checks the addresses when it connects, and connects to one of exactly
these.
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
"""Called with host, port and a timeout in seconds; returns the checked addresses.

Raises `Unreachable`, or TimeoutError.
"""

# In addition to what `ipaddress` knows as not global: IANA's special-purpose registries,
# read 2026-11-20, and one address of a cloud's metadata service.
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
# Metadata services of clouds, which hand out credentials. The others are link-local.
_OF_CLOUDS = ("168.63.129.16", "fd00:ec2::254")
_METADATA = frozenset(map(ipaddress.ip_address, _OF_CLOUDS))


def is_public(address: IPAddress, also_refused: tuple[str, ...] = ()) -> bool:
    """Return whether `address` is a public internet address without a special purpose.

    `also_refused` lists further networks, such as 10.0.0.0/8, that count as not public.
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


def is_in_networks(address: IPAddress, networks: tuple[str, ...]) -> bool:
    """Return whether `address` is in one of `networks`, such as 10.0.0.0/8."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return is_in_networks(address.ipv4_mapped, networks)
    return any(address in network for network in _networks(networks))


def is_server_address(address: IPAddress) -> bool:
    """Return whether a server that operators configured may have this `address`.

    Private networks and this machine are allowed. Addresses of network services are not:
    multicast, and link-local, where clouds serve the secrets of their machines.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return is_server_address(address.ipv4_mapped)
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


def check_addresses(
    host: str, found: Sequence[IPAddress], may_connect: Callable[[IPAddress], bool]
) -> Sequence[IPAddress]:
    """Return the addresses `found` for `host` after checking each by `may_connect`.

    Raises:
        Unreachable: there are none, or one of them is not allowed. A name that mixes
            allowed and refused addresses is most likely an attack.
    """
    for address in found:
        if not may_connect(address):
            raise Unreachable(f"{host} resolves to {address}, which is not allowed")
    if not found:
        raise Unreachable(f"{host} has no address")
    return found


def look_up(host: str, port: int, seconds: float) -> list[IPAddress]:
    """Return the IP addresses of `host`, the preferred one first.

    The resolver has no timeout, so it runs in a thread, which may outlive the call.

    Raises:
        Unreachable: the name can't be resolved.
        TimeoutError: the resolver did not answer within `seconds`.
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
