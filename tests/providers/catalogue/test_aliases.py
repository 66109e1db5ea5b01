"""Names that operators give: for models, for voices, and for none at all."""

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


def test_a_model_is_a_provider_one_of_its_models_or_an_alias():
    ModelAlias.objects.create(name="tts-1", provider_id="openai", model="tts-1")
    ModelAlias.objects.create(name="tts-1-hd", provider_id="unicorn")
    assert model("openai") == ("openai", "")
    assert model("OpenAI") == ("openai", "")
    assert model("openai/tts-1-hd") == ("openai", "tts-1-hd")
    assert model("openai/a/b") == ("openai", "a/b")
    assert model("tts-1") == ("openai", "tts-1")
    assert model("TTS-1-HD") == ("unicorn", "")


@pytest.mark.parametrize("name", ["", "/", "nobody", "nobody/x", "a\x00", "\ud800"])
def test_a_model_that_is_none_is_refused(name):
    with pytest.raises(UnknownProvider):
        catalogue_voices.resolve_model(name)


def test_a_model_of_a_provider_that_is_off_is_refused():
    ModelAlias.objects.create(name="tts-1", provider_id="openai")
    Provider.objects.filter(slug="openai").update(is_enabled=False)
    for name in ("openai", "tts-1"):
        with pytest.raises(UnknownProvider):
            catalogue_voices.resolve_model(name)


def test_an_alias_is_looked_for_where_the_request_is():
    VoiceAlias.objects.create(name="echo", voice_id="unicorn:de")
    VoiceAlias.objects.create(name="echo", voice_id="openai:nova")
    VoiceAlias.objects.create(name="nova", voice_id="openai:alloy")
    assert resolve("echo").pk == "unicorn:de"
    assert resolve("Echo", default_provider="openai").pk == "openai:nova"
    assert resolve("openai:ECHO").pk == "openai:nova"
    # A voice's own name is stronger.
    assert resolve("nova", default_provider="openai").pk == "openai:nova"
    with pytest.raises(UnknownVoice):
        resolve("nova")
    with CaptureQueriesContext(connection) as queries:
        catalogue_voices.resolve_all({"echo", "openai:echo", "de", "unicorn:en-us"})
    assert len(queries) == 5


def test_no_name_is_the_providers_default():
    with pytest.raises(UnknownVoice):
        resolve("openai:")
    Provider.objects.filter(slug="openai").update(default_voice="openai:nova")
    assert resolve("openai:").pk == "openai:nova"
    assert resolve("", default_provider="openai").pk == "openai:nova"
    with pytest.raises(UnknownVoice):
        resolve("")


def test_what_is_switched_off_has_no_other_name():
    VoiceAlias.objects.create(name="echo", voice_id="unicorn:de")
    Provider.objects.filter(slug="unicorn").update(default_voice="unicorn:de")
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False)
    for name in ("echo", ""):
        with pytest.raises(UnknownVoice):
            resolve(name)


def test_a_provider_has_one_voice_of_an_alias():
    VoiceAlias.objects.create(name="echo", voice_id="unicorn:de")
    with pytest.raises(IntegrityError), transaction.atomic():
        VoiceAlias.objects.create(name="echo", voice_id="unicorn:en-us")
    for kind in (
        VoiceAlias(name="Echo", voice_id="openai:nova"),
        ModelAlias(name="TTS", provider_id="openai"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            kind.save()
