from providers import catalogue
from providers.models import Voice


def resolve(voice: str, *, default_provider: str = "unicorn") -> Voice:
    """Return the voice on offer that `voice` names."""
    return catalogue.resolve_all({voice}, default_provider=default_provider)[voice]
