"""System checks of dangerous or invalid settings.

Settings that are wrong everywhere are checked by every command. Settings that are wrong
only in a deployment are checked by `manage.py check --deploy`, which should report nothing.
"""

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.http.request import validate_host

from accounts.http.authentication import SHORTEST_ADMIN_KEY
from config.processes.loopback import is_loopback

_RATE = re.compile(r"[1-9]\d*/([1-9]\d*)?[smhd]")  # the format of django-ratelimit


@register(Tags.security)
def limits_are_usable(**_: Any) -> list[CheckMessage]:
    """Check that rates have the form `20/m`, and that no limit is below its minimum."""
    found: list[CheckMessage] = [
        Error(
            f"{name}={getattr(settings, name)!r} is not a rate.",
            hint="Write requests per s, m, h or d, such as 20/m.",
            id="ozvena.E001",
        )
        for name in ("RATE_SYNTHESIS", "RATE_OTHER")
        if not _RATE.fullmatch(getattr(settings, name))
    ]
    minimums = {
        "GUEST_PER_DAY": 0,
        "WORKSPACE_CONCURRENCY": 1,
        "RETENTION_DAYS": 1,
        "STORAGE_MB": 1,
        "SIGN_UP_CREDITS": 0,
        "TRUSTED_PROXY_COUNT": 0,
    }
    found += [
        Error(f"{name} must be at least {minimum}.", id="ozvena.E002")
        for name, minimum in minimums.items()
        if getattr(settings, name) < minimum
    ]
    return found


@register(Tags.security)
def home_is_writable(**_: Any) -> list[CheckMessage]:
    """Check that OZVENA_HOME is writable: files, mails and sockets are kept there."""
    home = settings.OZVENA_HOME
    existing = next(path for path in (home, *home.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        return []
    return [Error(f"OZVENA_HOME={home} is not writable.", id="ozvena.E003")]


@register(Tags.security)
def address_is_usable(**_: Any) -> list[CheckMessage]:
    """Check that BASE_URL is a complete URL whose host is in ALLOWED_HOSTS."""
    address = urlsplit(settings.BASE_URL)
    if address.scheme not in {"http", "https"} or not address.hostname or address.path:
        return [
            Error(
                f"BASE_URL={settings.BASE_URL!r} is not a valid address.",
                hint="Write scheme and host, such as https://speech.example.com.",
                id="ozvena.E004",
            )
        ]
    if not validate_host(address.hostname, settings.ALLOWED_HOSTS) and not (
        validate_host(f"[{address.hostname}]", settings.ALLOWED_HOSTS)
    ):
        return [
            Error(
                f"ALLOWED_HOSTS does not contain {address.hostname}, the host of"
                " BASE_URL.",
                id="ozvena.E005",
            )
        ]
    return []


@register(Tags.security)
def development_is_private(**_: Any) -> list[CheckMessage]:
    """Check that development mode is not public: it lets anyone in who can reach it."""
    if settings.DEVELOPMENT and not is_loopback(urlsplit(settings.BASE_URL).hostname):
        return [
            Error(
                f"OZVENA_DEVELOPMENT is on, and {settings.BASE_URL} is public.",
                id="ozvena.E006",
            )
        ]
    return []


@register(Tags.security)
def operators_key_is_long(**_: Any) -> list[CheckMessage]:
    """Warn about an ADMIN_ACCESS_KEY that is too short and therefore disabled."""
    if 0 < len(settings.ADMIN_ACCESS_KEY) < SHORTEST_ADMIN_KEY:
        return [
            Caution(
                f"ADMIN_ACCESS_KEY is shorter than {SHORTEST_ADMIN_KEY} "
                "characters, so it is disabled.",
                id="ozvena.W001",
            )
        ]
    return []


@register(Tags.security)
def gateways_are_set_up(**_: Any) -> list[CheckMessage]:
    """Warn about keys of gateways that are not used, and secrets that are missing."""
    found: list[CheckMessage] = []
    modes = (("PRODUCTION", "live", ""), ("SANDBOX", "test", "_TEST"))
    for environment, mode, twin in modes:
        key = settings.STRIPE_KEYS[environment]
        if key and not key.startswith((f"sk_{mode}_", f"rk_{mode}_")):
            found.append(
                Caution(
                    f"STRIPE_SECRET_KEY{twin} is no key of {mode} mode, so it is not used.",
                    id="ozvena.W009",
                )
            )
        elif key and not settings.STRIPE_HOOK_SECRETS[environment]:
            found.append(
                Caution(
                    f"STRIPE_WEBHOOK_SECRET{twin} is not set: payments are only found by"
                    " looking them up.",
                    id="ozvena.W010",
                )
            )
    return found


@register(Tags.security, deploy=True)
def deployment_is_sound(**_: Any) -> list[CheckMessage]:
    """Warn about settings that are fine on a laptop but not in a deployment."""
    return [
        Caution(message, hint=hint, id=f"ozvena.{number}")
        for number, message, hint in _deployment()
    ]


def _deployment() -> Iterator[tuple[str, str, str]]:
    if settings.DEVELOPMENT:
        yield (
            "W002",
            "OZVENA_DEVELOPMENT is on.",
            "Set it to 0, or leave it out: `manage.py up` decides by HOST.",
        )
        yield (
            "W008",
            "The demo gateway is on: orders are paid without money.",
            "It is off as soon as OZVENA_DEVELOPMENT is.",
        )
    if settings.KEEPS_SECRET_KEY:
        yield (
            "W003",
            "SECRET_KEY is not set: sessions are signed with a key that exists only in "
            "this machine's OZVENA_HOME.",
            "Set it to 50 random characters, the same on every machine.",
        )
    if not settings.SECURE:
        yield (
            "W004",
            f"BASE_URL={settings.BASE_URL} is not https.",
            "Put a proxy with a certificate in front, and set BASE_URL to its address.",
        )
    elif not settings.TRUSTED_PROXY_COUNT:
        yield (
            "W005",
            "BASE_URL is https, but TRUSTED_PROXY_COUNT is 0: all requests seem to "
            "come from the proxy, over http.",
            "Set it to the number of your own proxies, most often 1.",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield ("W006", "ALLOWED_HOSTS allows every host name.", "List your host names.")
    if settings.EMAIL_BACKEND == "kit.mail.files.FileBackend":
        yield (
            "W007",
            "Neither EMAIL_URL nor EMAIL_BACKEND is set: mails, including login codes, "
            "are written to files and not sent.",
            "Set EMAIL_URL to a mail server, such as smtp+tls://user:password@host:587.",
        )
