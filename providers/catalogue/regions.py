"""Regions of providers, as choices of a form."""

from providers.contract.registry import get_adapter


def region_choices(slug: str) -> list[tuple[str, str]]:
    """Return the regions that a provider has beside its usual one, for a choice."""
    return [(region, region) for region in sorted(get_adapter(slug).regions) if region]
