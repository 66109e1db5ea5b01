"""Servers with OpenAI's speech interface, and their differences."""

from base64 import b64encode
from dataclasses import replace

import pytest

from providers.catalogue import access as catalogue_access
from providers.contract.base import Access, Failure, ProviderError
from providers.contract.registry import get_adapter
from providers.models import Provider
from providers.serializers import ProviderSerializer
from providers.vendors import compatible
from tests.providers.speaking import Heard, check, hear
from tests.providers.vendors.openai import OpenedAI, OpenRouter, Speaches
from tests.providers.vendors.server import Fault, json_reply, serving
from tests.providers.vendors.tones import wav


def say(access: Access, voice: str, **more) -> Heard:
    heard = hear(
        "Hello there.",
        voice,
        provider=get_adapter("compatible"),
        access=access,
        **more,
    )
    check(heard)
    return heard


def test_speaches_speaks_with_the_model_that_is_installed():
    with serving(Speaches()) as vendor:
        with pytest.raises(ProviderError) as caught:
            say(vendor.access, vendor.voice)
        assert caught.value.kind == Failure.BAD_REQUEST
        heard = say(replace(vendor.access, model=Speaches.model), vendor.voice)
        assert heard.seconds == pytest.approx(0.24)
        (heart,) = get_adapter("compatible").voices(vendor.access)
        assert (heart.id, heart.name, heart.language) == ("af_heart", "Heart", "en-US")


def test_openedai_speaks_with_its_own_two_models():
    with serving(OpenedAI()) as vendor:
        assert say(vendor.access, "alloy").sample_rate == 22_050
        better = replace(vendor.access, model="tts-1-hd")
        assert say(better, "nova").sample_rate == 24_000
        found = get_adapter("compatible").voices(vendor.access)
        assert [info.id for info in found] == list(OpenedAI.voices)


def test_a_request_may_name_another_model_of_the_server():
    with serving(OpenedAI()) as vendor:
        access = replace(vendor.access, model="tts-1")
        heard = say(access, "alloy", options={"model": "tts-1-hd"})
        assert heard.sample_rate == 24_000


TEXT = "It's 12 o'clock — “sing,” she said."
WORDS = ["It's", "12", "o'clock", "sing", "she", "said"]


def test_kokoro_returns_word_times(stage):
    access = replace(stage("compatible").access, has_captions=True)
    provider = get_adapter("compatible")
    heard = hear(TEXT, "af_bella", provider=provider, access=access)
    check(heard)
    assert heard.spoken == WORDS
    for word in heard.words:
        assert word.start == pytest.approx(word.char_start * 0.02, abs=0.001)
    assert heard.seconds == pytest.approx(0.02 * len(TEXT))


def test_a_server_without_captions_still_returns_audio():
    with serving(OpenedAI()) as vendor:
        reply = vendor.reply
        vendor.reply = lambda asked: (  # type: ignore[method-assign]
            json_reply({"detail": "Not Found"}, 404)
            if asked.path.startswith("/dev/")
            else reply(asked)
        )
        heard = say(replace(vendor.access, has_captions=True), "alloy")
        assert heard.words == []
        assert heard.seconds == pytest.approx(0.24)
        assert len(vendor.asked) == 2


@pytest.mark.parametrize("times", [None, [], "none", [7], [{"word": None}], {"a": 1}])
def test_captions_may_be_missing(stage, monkeypatch, times):
    vendor = stage("compatible")
    audio = b64encode(wav("Hello there.", 24_000)).decode()
    reply = json_reply({"audio": audio, "timestamps": times})
    monkeypatch.setattr(vendor, "reply", lambda asked: reply)
    heard = say(replace(vendor.access, has_captions=True), "af_bella")
    assert heard.words == []
    assert heard.seconds == pytest.approx(0.24)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.TRUNCATED, Failure.BAD_AUDIO),
        (Fault.JSON, Failure.BAD_AUDIO),
        (Fault.HTML, Failure.BAD_AUDIO),
        (Fault.EMPTY, Failure.BAD_AUDIO),
        (Fault.BROKEN, Failure.DOWN),
        (Fault.RATE, Failure.RATE_LIMITED),
    ],
)
def test_a_fault_with_captions_has_its_kind(stage, fault, kind):
    vendor = stage("compatible")
    vendor.fault = fault
    access = replace(vendor.access, has_captions=True)
    with pytest.raises(ProviderError) as caught:
        hear(
            "Hello there. " * 50,
            "af_bella",
            provider=get_adapter("compatible"),
            access=access,
        )
    assert caught.value.kind == kind
    assert len(vendor.asked) == 1


@pytest.mark.django_db
def test_operators_name_the_model_and_the_environment_wins(monkeypatch):
    row = Provider.objects.create(slug="compatible-x", model="kokoro")
    assert catalogue_access.access_for(row).model == "kokoro"
    monkeypatch.setenv("COMPATIBLE_X_MODEL", "tts-1-hd")
    assert catalogue_access.access_for(row).model == "tts-1-hd"


@pytest.mark.parametrize(
    ("listed", "ids"),
    [
        ({"voices": ["af_bella", "af_bella", "", 7, "a\nb"]}, ["af_bella"]),
        ({"voices": [{"id": "x", "name": "X"}, {"voice_id": "y"}]}, ["x", "y"]),
        ({"voices": "many"}, []),
        ({}, []),
        ([], []),
    ],
)
def test_voice_lists_of_all_formats_are_read(stage, monkeypatch, listed, ids):
    vendor = stage("compatible")
    monkeypatch.setattr(vendor, "reply", lambda asked: json_reply(listed))
    found = get_adapter("compatible").voices(vendor.access)
    assert [info.id for info in found] == ids


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_a_list_has_the_standard_voices(stage, monkeypatch, status):
    vendor = stage("compatible")
    monkeypatch.setattr(vendor, "reply", lambda asked: json_reply({}, status))
    found = get_adapter("compatible").voices(vendor.access)
    assert [info.id for info in found] == list(OpenedAI.voices)
    assert (found[0].name, found[0].language) == ("Alloy", "mul")


def test_a_compatible_server_may_want_a_key(stage, monkeypatch):
    vendor = stage("compatible")
    vendor.key = "k3y"
    monkeypatch.setattr(
        vendor, "has_key", lambda asked: asked.headers["Authorization"] == "Bearer k3y"
    )
    provider = get_adapter("compatible")
    heard = hear("Hello there.", "af_bella", provider=provider, access=vendor.access)
    assert heard.seconds == pytest.approx(0.24)


@pytest.mark.parametrize(
    ("has_captions", "told"), [(True, "exact"), (False, "estimated")]
)
def test_provider_list_says_whether_word_times_are_exact(has_captions, told):
    row = Provider(slug="compatible-x", name="X", has_captions=has_captions)
    assert ProviderSerializer(row).data["word_timestamps"] == told


@pytest.fixture
def openrouter(monkeypatch):
    """OpenRouter, at an address of this machine."""
    preset = compatible._PRESETS["openrouter.ai"]
    monkeypatch.setitem(compatible._PRESETS, "127.0.0.1", preset)
    with serving(OpenRouter()) as vendor:
        yield vendor


def test_openrouter_lists_the_voices_of_the_model(openrouter):
    access = replace(openrouter.access, model=OpenRouter.model)
    (alexis,) = get_adapter("compatible").voices(access)
    assert alexis.id == "flux-alexis-en"
    assert say(access, alexis.id, speed=1.5).seconds == pytest.approx(0.24)
    assert get_adapter("compatible").voices(openrouter.access) == []
    with pytest.raises(ProviderError) as caught:
        say(openrouter.access, alexis.id)
    assert caught.value.kind == Failure.BAD_REQUEST


@pytest.mark.parametrize(
    "content_type", ["audio/pcm; rate=22050", "audio/pcm;rate=24000;channels=2"]
)
def test_pcm_of_another_form_is_bad_audio(openrouter, content_type):
    openrouter.content_type = content_type
    access = replace(openrouter.access, model=OpenRouter.model)
    with pytest.raises(ProviderError) as caught:
        say(access, OpenRouter.voice)
    assert caught.value.kind == Failure.BAD_AUDIO


@pytest.mark.parametrize(
    ("host", "model", "names"),
    [
        ("tts.us.assemblyai.com", "assemblyai-tts-1", OpenedAI.voices),
        ("api.inworld.ai", "inworld-tts-2", ()),
    ],
)
def test_a_service_has_its_model_and_voices(stage, monkeypatch, host, model, names):
    vendor = stage("compatible")
    monkeypatch.setitem(compatible._PRESETS, "127.0.0.1", compatible._PRESETS[host])
    monkeypatch.setattr(vendor, "models", (model,))
    say(vendor.access, "af_bella")
    monkeypatch.setattr(vendor, "reply", lambda asked: json_reply({}, 404))
    found = get_adapter("compatible").voices(vendor.access)
    assert [info.id for info in found] == list(names)


def test_a_server_with_its_own_model_has_no_standard_voices(stage, monkeypatch):
    vendor = stage("compatible")
    monkeypatch.setattr(vendor, "reply", lambda asked: json_reply({}, 404))
    access = replace(vendor.access, model="pocket-tts")
    assert get_adapter("compatible").voices(access) == []
    assert vendor.asked[-1].query == {"model": ["pocket-tts"]}
