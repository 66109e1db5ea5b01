"""Models of the providers app, one module per subject; import them from here."""

from providers.models.aliases import ModelAlias, VoiceAlias
from providers.models.catalogue import Provider, Voice
from providers.models.keys import ProviderKey
from providers.models.samples import Sample
from providers.models.upstreams import Upstream

__all__ = [
    "ModelAlias",
    "Provider",
    "ProviderKey",
    "Sample",
    "Upstream",
    "Voice",
    "VoiceAlias",
]
