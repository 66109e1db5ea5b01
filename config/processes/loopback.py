"""Recognize loopback addresses."""

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Return whether `host`, a name or an IP address, is the loopback interface."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
