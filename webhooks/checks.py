"""System checks of what this app needs from the settings."""

import ipaddress
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def loopback_is_closed(**_: Any) -> list[CheckMessage]:
    """Refuse to deploy what lets customers call this machine itself."""
    if settings.WEBHOOK_ALLOW_LOOPBACK:
        return [
            Error(
                "WEBHOOK_ALLOW_LOOPBACK lets webhooks call this machine's own services.",
                hint="It is for development; leave it unset.",
                id="webhooks.E001",
            )
        ]
    return []


@register(Tags.security)
def networks_are_readable(**_: Any) -> list[CheckMessage]:
    """Say which network can't be read: a typing error must not open it."""
    found: list[CheckMessage] = []
    for text in settings.WEBHOOK_BLOCKED_NETWORKS:
        try:
            ipaddress.ip_network(text.strip())
        except ValueError:
            found.append(
                Error(
                    f"WEBHOOK_BLOCKED_NETWORKS: {text!r} is not a network.",
                    id="webhooks.E002",
                )
            )
    return found
