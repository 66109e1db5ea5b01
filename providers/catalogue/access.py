"""The address and key with which this installation calls a provider."""

import os

from providers.contract.base import Access
from providers.contract.registry import get_adapter, is_operator_server
from providers.models import Provider


def access_for(provider: Provider) -> Access:
    """Return the key, address and settings with which this installation calls `provider`.

    They come from `<SLUG>_API_KEY`, `<SLUG>_BASE_URL`, `<SLUG>_REGION` and `<SLUG>_MODEL`
    in the environment, with the slug in upper case. Where a variable is not set, the
    provider's row has the value, except for the key. `has_captions` is in the row only.
    """
    return Access(
        key=_variable(provider, "API_KEY"),
        base_url=base_url_of(provider),
        region=_variable(provider, "REGION") or provider.region,
        model=_variable(provider, "MODEL") or provider.model,
        has_captions=provider.has_captions,
    )


def base_url_of(provider: Provider) -> str:
    """Return the base URL that operators set for `provider`; empty: the vendor's own."""
    return base_url_from_environment(provider) or provider.base_url.rstrip("/")


def base_url_from_environment(provider: Provider) -> str:
    """Return the base URL of `<SLUG>_BASE_URL`; empty if it is not set."""
    return _variable(provider, "BASE_URL").rstrip("/")


def base_url_for_own_keys(provider: Provider) -> str:
    """Return the base URL to which own keys are sent; empty: the vendor's own.

    A vendor's customers trust the vendor: an address that was edited in the back office
    gets none of their keys. A server that operators run has no other address.
    """
    if is_operator_server(provider.slug):
        return base_url_of(provider)
    return base_url_from_environment(provider)


def _variable(provider: Provider, name: str) -> str:
    prefix = provider.slug.upper().replace("-", "_")
    return os.environ.get(f"{prefix}_{name}", "")


def is_available(provider: Provider) -> bool:
    """Return whether this installation can call `provider` without a customer's key."""
    adapter = get_adapter(provider.slug)
    access = access_for(provider)
    has_address = bool(access.base_url) or access.region in adapter.regions
    has_key = bool(access.key) or not adapter.needs_key
    return adapter.is_local or (has_address and has_key)
