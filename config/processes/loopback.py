"""Which addresses only this machine reaches."""

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Return whether `host`, a name or an address, is this machine's own loopback."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
