"""The records of providers, one module per subject; each is imported from here."""

from providers.models.catalogue import (
    ModelAlias,
    Provider,
    ProviderKey,
    Sample,
    Upstream,
    Voice,
    VoiceAlias,
)

__all__ = [
    "ModelAlias",
    "Provider",
    "ProviderKey",
    "Sample",
    "Upstream",
    "Voice",
    "VoiceAlias",
]
