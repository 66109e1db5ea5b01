"""The registry of adapters: one line per provider, imported on first use."""

from functools import cache
from typing import cast

from django.utils.module_loading import import_string

from providers.contract.base import Adapter

ADAPTERS = {
    "unicorn": "providers.unicorn.Unicorn",
    "openai": "providers.vendors.openai.OpenAI",
    "elevenlabs": "providers.vendors.elevenlabs.ElevenLabs",
    "google": "providers.vendors.google.Google",
    "azure": "providers.vendors.azure.Azure",
    "lemonfox": "providers.vendors.lemonfox.LemonFox",
    "deepgram": "providers.vendors.deepgram.Deepgram",
    "cartesia": "providers.vendors.cartesia.Cartesia",
    "polly": "providers.vendors.polly.Polly",
    "compatible": "providers.vendors.compatible.Compatible",
}

COMPATIBLE_PREFIX = "compatible-"
"""Prefix of the slugs of further servers that the `compatible` adapter calls."""


@cache
def get_adapter(slug: str) -> Adapter:
    """Return the adapter of the provider `slug`; KeyError if there is none."""
    known = "compatible" if is_operator_server(slug) else slug
    return cast(Adapter, import_string(ADAPTERS[known])())


def is_operator_server(slug: str) -> bool:
    """Return whether the provider `slug` is a server that operators run themselves."""
    return slug == "compatible" or slug.startswith(COMPATIBLE_PREFIX)


def has_adapter(slug: str) -> bool:
    """Return whether there is an adapter for the provider `slug`."""
    return slug in ADAPTERS or slug.startswith(COMPATIBLE_PREFIX)
