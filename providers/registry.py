"""The table of providers: one line each, imported on first use."""

from functools import cache
from typing import cast

from django.utils.module_loading import import_string

from providers.base import Provider

PROVIDERS = {"unicorn": "providers.unicorn.Unicorn"}


@cache
def get_provider(slug: str) -> Provider:
    """Return the adapter of the provider `slug`; KeyError if there is none."""
    return cast(Provider, import_string(PROVIDERS[slug])())
