"""System checks of the webhook settings."""

import ipaddress
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def check_loopback(**_: Any) -> list[CheckMessage]:
    """Return an error if a deployment lets webhooks call this machine."""
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
def check_networks(**_: Any) -> list[CheckMessage]:
    """Return an error for each invalid network: a typing error must not unblock it."""
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
