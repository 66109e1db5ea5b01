"""A small catalogue: two of the built-in voices, and the scripted provider."""

import pytest

from providers.contract import registry
from providers.models import Provider, Voice

_VOICES = [
    ("unicorn", "en-us", "en-US"),
    ("unicorn", "en-gb", "en-GB"),
    ("scripted", "one", "en-US"),
    ("scripted", "two", "en-US"),
]


def fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the rows of the catalogue, and register the scripted provider."""
    monkeypatch.setitem(
        registry.ADAPTERS, "scripted", "tests.synthesis.scripted.Scripted"
    )
    Provider.objects.create(slug="unicorn", name="Unicorn", is_open_to_guests=True)
    Provider.objects.create(slug="scripted", name="Scripted")
    Voice.objects.bulk_create(
        Voice(
            id=f"{provider}:{voice}",
            provider_id=provider,
            provider_voice=voice,
            name=voice,
            language=language,
        )
        for provider, voice, language in _VOICES
    )
