"""Regions of providers, as form choices."""

from providers.contract.registry import get_adapter


def region_choices(slug: str) -> list[tuple[str, str]]:
    """Return a provider's regions without its default one, as form choices."""
    return [(region, region) for region in sorted(get_adapter(slug).regions) if region]
