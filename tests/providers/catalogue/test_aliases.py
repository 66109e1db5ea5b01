"""Aliases of models and voices, and default voices of providers."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from providers.catalogue import voices as catalogue_voices
from providers.errors import UnknownProvider, UnknownVoice
from providers.models import ModelAlias, Provider, Voice, VoiceAlias
from tests.providers.resolving import resolve

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _voices():
    for slug, voices in {
        "unicorn": ["en-us", "de"],
        "openai": ["alloy", "nova"],
    }.items():
        Provider.objects.create(slug=slug, name=slug.title())
        Voice.objects.bulk_create(
            Voice(
                id=f"{slug}:{voice}",
                provider_id=slug,
                provider_voice=voice,
                name=voice.title(),
                language="en",
            )
            for voice in voices
        )


def model(name: str) -> tuple[str, str]:
    provider, found = catalogue_voices.resolve_model(name)
    return provider.slug, found


def test_model_name_may_be_provider_model_or_alias():
    ModelAlias.objects.create(name="tts-1", provider_id="openai", model="tts-1")
    ModelAlias.objects.create(name="tts-1-hd", provider_id="unicorn")
    assert model("openai") == ("openai", "")
    assert model("OpenAI") == ("openai", "")
    assert model("openai/tts-1-hd") == ("openai", "tts-1-hd")
    assert model("openai/a/b") == ("openai", "a/b")
    assert model("tts-1") == ("openai", "tts-1")
    assert model("TTS-1-HD") == ("unicorn", "")


@pytest.mark.parametrize("name", ["", "/", "nobody", "nobody/x", "a\x00", "\ud800"])
def test_unknown_model_is_rejected(name):
    with pytest.raises(UnknownProvider):
        catalogue_voices.resolve_model(name)


def test_model_of_a_disabled_provider_is_rejected():
    ModelAlias.objects.create(name="tts-1", provider_id="openai")
    Provider.objects.filter(slug="openai").update(is_enabled=False)
    for name in ("openai", "tts-1"):
        with pytest.raises(UnknownProvider):
            catalogue_voices.resolve_model(name)


def test_alias_is_looked_up_in_the_requested_provider():
    VoiceAlias.objects.create(name="echo", voice_id="unicorn:de")
    VoiceAlias.objects.create(name="echo", voice_id="openai:nova")
    VoiceAlias.objects.create(name="nova", voice_id="openai:alloy")
    assert resolve("echo").pk == "unicorn:de"
    assert resolve("Echo", default_provider="openai").pk == "openai:nova"
    assert resolve("openai:ECHO").pk == "openai:nova"
    # A voice's own name takes precedence.
    assert resolve("nova", default_provider="openai").pk == "openai:nova"
    with pytest.raises(UnknownVoice):
        resolve("nova")
    with CaptureQueriesContext(connection) as queries:
        catalogue_voices.resolve_all({"echo", "openai:echo", "de", "unicorn:en-us"})
    assert len(queries) == 5


def test_empty_voice_name_means_the_providers_default():
    with pytest.raises(UnknownVoice):
        resolve("openai:")
    Provider.objects.filter(slug="openai").update(default_voice="openai:nova")
    assert resolve("openai:").pk == "openai:nova"
    assert resolve("", default_provider="openai").pk == "openai:nova"
    with pytest.raises(UnknownVoice):
        resolve("")


def test_aliases_of_disabled_voices_are_unknown():
    VoiceAlias.objects.create(name="echo", voice_id="unicorn:de")
    Provider.objects.filter(slug="unicorn").update(default_voice="unicorn:de")
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False)
    for name in ("echo", ""):
        with pytest.raises(UnknownVoice):
            resolve(name)


def test_alias_is_unique_in_a_provider():
    VoiceAlias.objects.create(name="echo", voice_id="unicorn:de")
    with pytest.raises(IntegrityError), transaction.atomic():
        VoiceAlias.objects.create(name="echo", voice_id="unicorn:en-us")
    for kind in (
        VoiceAlias(name="Echo", voice_id="openai:nova"),
        ModelAlias(name="TTS", provider_id="openai"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            kind.save()
