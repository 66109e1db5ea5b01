from providers.catalogue import voices
from providers.models import Voice


def resolve(voice: str, *, default_provider: str = "unicorn") -> Voice:
    """Return the available voice that `voice` names."""
    return voices.resolve_all({voice}, default_provider=default_provider)[voice]
