"""System checks of the encryption keys in the settings."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured

from kit.secrets import parse_keys


@register(Tags.security)
def encryption_keys_are_usable(**_: Any) -> list[CheckMessage]:
    """Say which key can't be read; none has to be there before the first start."""
    kept = settings.OZVENA_HOME / "encryption-keys"
    if settings.KEEPS_ENCRYPTION_KEYS and not kept.exists():
        return []
    try:
        parse_keys(settings.ENCRYPTION_KEYS)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="kit.E001")]
    return []


@register(Tags.security, deploy=True)
def encryption_keys_are_given(**_: Any) -> list[CheckMessage]:
    """Warn about a deployment whose only encryption key is on one machine's disk."""
    if settings.KEEPS_ENCRYPTION_KEYS:
        return [
            Caution(
                "ENCRYPTION_KEYS is not set: secrets are encrypted with a key that only"
                " this machine's OZVENA_HOME has.",
                hint="Set it to `id:base64` of 32 random bytes, on every machine.",
                id="kit.W001",
            )
        ]
    return []
