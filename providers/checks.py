"""System checks of the provider settings."""

import ipaddress
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security)
def check_networks(**_: Any) -> list[CheckMessage]:
    """Return an error for each invalid network: every call to a provider would fail."""
    found: list[CheckMessage] = []
    for text in settings.PROVIDER_PRIVATE_NETWORKS:
        try:
            ipaddress.ip_network(text.strip())
        except ValueError:
            found.append(
                Error(
                    f"PROVIDER_PRIVATE_NETWORKS: {text!r} is not a network.",
                    id="providers.E001",
                )
            )
    return found
