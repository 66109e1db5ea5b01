"""Behavior of ElevenLabs."""

import json
from base64 import b64encode

import pytest

from providers.contract.base import (
    Failure,
    SpeechRequest,
)
from providers.contract.registry import get_adapter
from tests.providers.adapters.saying import asked_of, refused, say
from tests.providers.speaking import hear
from tests.providers.vendors.server import Reply
from tests.providers.vendors.tones import samples


def test_elevenlabs_lists_voices_page_by_page(stage):
    vendor = stage("elevenlabs")
    rachel, domi = get_adapter("elevenlabs").voices(vendor.access)
    assert (rachel.name, rachel.language, rachel.gender) == (
        "Rachel",
        "en-US",
        "female",
    )
    assert rachel.description == "american"
    assert (domi.name, domi.language, domi.gender) == ("Domi", "mul", "")


@pytest.mark.parametrize(
    ("model", "most", "settings"),
    [
        ("eleven_multilingual_v2", 10_000, ["similarity_boost", "speed", "stability"]),
        ("eleven_flash_v2_5", 10_000, ["similarity_boost", "speed", "stability"]),
        ("eleven_turbo_v2_5", 10_000, ["similarity_boost", "speed", "stability"]),
        ("eleven_v3", 5_000, ["stability"]),
        ("eleven_v4", 10_000, ["similarity_boost", "stability"]),
        ("eleven_v4_turbo", 10_000, ["similarity_boost", "stability"]),
    ],
)
def test_elevenlabs_models_are_sent_what_they_take(stage, model, most, settings):
    elevenlabs = get_adapter("elevenlabs")
    wanted = {"model": model, "stability": 0.5, "similarity_boost": 0.7}
    assert elevenlabs.limit_for("x", 1.1, wanted).amount == most
    vendor, _ = say("elevenlabs", stage, options=wanted, speed=1.1)
    body = asked_of(vendor)
    assert sorted(body["voice_settings"]) == settings
    left_out = elevenlabs.unsupported("x", 1.1, wanted)
    assert sorted({*settings, *left_out}) == ["similarity_boost", "speed", "stability"]
    assert elevenlabs.unsupported("x", 1.0, {"model": model, "stability": 1}) == {}


def test_elevenlabs_turbo_is_spoken_by_flash(stage):
    vendor, _ = say("elevenlabs", stage, options={"model": "eleven_turbo_v2_5"})
    assert asked_of(vendor)["model_id"] == "eleven_flash_v2_5"


@pytest.mark.parametrize(
    ("model", "around"),
    [
        (
            "eleven_multilingual_v2",
            {"previous_text": "Before. ", "next_text": " Then."},
        ),
        ("eleven_flash_v2_5", {"previous_text": "Before. ", "next_text": " Then."}),
        ("eleven_v3", {}),
        ("eleven_v4", {}),
    ],
)
def test_elevenlabs_is_sent_the_text_around(stage, model, around):
    vendor = stage("elevenlabs")
    request = SpeechRequest(
        "Hello.",
        vendor.voice,
        options={"model": model},
        before="Before. ",
        after=" Then.",
    )
    speech = get_adapter("elevenlabs").speak(request, vendor.access)
    assert b"".join(part for part in speech.parts if isinstance(part, bytes))
    assert asked_of(vendor) == {"text": "Hello.", "model_id": model} | around


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("eleven_multilingual_v2", "He [laughs] says /hi/ and/or bye."),
        ("eleven_v3", "He (laughs) says /hi/ and/or bye."),
        ("eleven_v4", "He (laughs) says  hi  and/or bye."),
    ],
)
def test_elevenlabs_obeys_no_text_but_on_request(stage, model, sent):
    text = "He [laughs] says /hi/ and/or bye."
    vendor, heard = say("elevenlabs", stage, text, options={"model": model})
    assert vendor.spoken == [sent]
    assert heard.spoken == ["He", "laughs", "says", sent.split()[3], "and/or", "bye"]
    options = {"model": model, "markup": True}
    vendor, _ = say("elevenlabs", stage, text, options=options)
    assert vendor.spoken == [text]


def test_elevenlabs_reports_a_deleted_voice_as_unknown(stage):
    assert refused("elevenlabs", stage, voice="a" * 20) == Failure.UNKNOWN_VOICE


def test_elevenlabs_may_send_audio_without_times(stage, monkeypatch):
    vendor = stage("elevenlabs")
    audio = b64encode(samples("Hello", 24_000)).decode()
    lines = json.dumps({"audio_base64": audio, "alignment": None}).encode()
    monkeypatch.setattr(vendor, "reply", lambda asked: Reply(body=lines))
    heard = hear(
        "Hello",
        vendor.voice,
        provider=get_adapter("elevenlabs"),
        access=vendor.access,
    )
    assert heard.words == []
    assert heard.seconds == pytest.approx(0.1)
