"""Behavior of Google."""

from base64 import b64encode

import pytest

from providers.contract import words
from providers.contract.base import (
    Failure,
    ProviderError,
)
from providers.contract.registry import get_adapter
from synthesis.text.splitting import split
from tests.providers.adapters.saying import asked_of, refused, say
from tests.providers.speaking import hear
from tests.providers.vendors.server import json_reply
from tests.providers.vendors.tones import wav


def test_google_marks_each_word(stage):
    vendor, heard = say("google", stage, "Hi & bye.")
    assert asked_of(vendor)["input"] == {
        "ssml": '<speak><mark name="0"/>Hi &amp; <mark name="1"/>bye.</speak>'
    }
    assert heard.spoken == ["Hi", "bye"]


@pytest.mark.parametrize("text", ["今天天气很好。" * 300, "Ab cd, ef. " * 300])
def test_google_times_all_words_even_if_short(stage, text):
    google = get_adapter("google")
    vendor = stage("google")
    limit = google.limit_for(vendor.voice, 1.0, {})
    chunks = split(text, limit)
    assert len(chunks) > 1
    for chunk in chunks:
        heard = hear(chunk.text, vendor.voice, provider=google, access=vendor.access)
        units = [unit for unit in words.split(chunk.text) if unit.has_letters]
        assert len(heard.words) == len(units)
        assert len(asked_of(vendor)["input"]["ssml"].encode()) > 4_900 or (
            chunk is chunks[-1]
        )
        vendor.asked.clear()


LONG = ", ".join(["una frase que no termina nunca"] * 40)


def test_google_is_sent_a_long_sentence_whole(stage):
    google = get_adapter("google")
    text = f"Empieza aquí. Y {LONG[:600]}. Termina aquí."
    vendor = stage("google")
    (chunk,) = split(text, google.limit_for(vendor.voice, 1.0, {}))
    say("google", stage, chunk.text)
    say("google", stage, chunk.text, voice=vendor.chirp)


def test_google_says_that_a_sentence_is_too_long(stage):
    kind = refused("google", stage, text=LONG[:600], voice="es-ES-Neural2-F")
    assert kind == Failure.TOO_LONG


@pytest.mark.parametrize(
    ("voice", "sent"),
    [
        ("en-US-Neural2-F", {"pitch": 3.0, "speakingRate": 1.5}),
        ("en-US-Chirp3-HD-Kore", {"speakingRate": 1.5}),
        ("en-US-Journey-D", {}),
    ],
)
def test_google_voices_are_sent_what_their_family_takes(stage, voice, sent):
    options = {"pitch": 3}
    vendor, _ = say("google", stage, voice=voice, options=options, speed=1.5)
    audio = asked_of(vendor)["audioConfig"]
    form = {"audioEncoding": "LINEAR16", "sampleRateHertz": 24_000}
    assert audio == form | sent
    left_out = get_adapter("google").unsupported(voice, 1.5, options)
    names = {"pitch": "pitch", "speakingRate": "speed"}
    assert left_out.keys() == {names[key] for key in names.keys() - sent.keys()}
    assert get_adapter("google").unsupported(voice, 1.0, {"pitch": 0}) == {}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Voice 'en-US-Fancy-X' does not exist. Is it misspelled?", "unknown_voice"),
        ("This voice does not support pitch parameters at this time.", "bad_request"),
        ("This voice currently only supports LINEAR16 output.", "bad_request"),
    ],
)
def test_google_blames_the_voice_only_if_it_is_unknown(
    stage, monkeypatch, message, kind
):
    vendor = stage("google")
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    reply = json_reply({"error": error}, 400)
    monkeypatch.setattr(vendor, "reply", lambda asked: reply)
    with pytest.raises(ProviderError) as caught:
        hear("Hi.", vendor.voice, provider=get_adapter("google"), access=vendor.access)
    assert caught.value.kind == kind


def test_google_voices_without_marks_get_plain_text(stage, monkeypatch):
    vendor = stage("google")
    voice = "en-US-Chirp3-HD-Kore"
    content = b64encode(wav("Hello there.", 24_000)).decode()
    reply = json_reply({"audioContent": content})
    monkeypatch.setattr(vendor, "reply", lambda asked: reply)
    heard = hear(
        "Hello there.", voice, provider=get_adapter("google"), access=vendor.access
    )
    assert asked_of(vendor)["input"] == {"text": "Hello there."}
    assert vendor.asked[0].path == "/v1/text:synthesize"
    assert heard.words == []


def test_google_voices_omit_studio_and_short_names(stage, monkeypatch):
    vendor = stage("google")
    names = ["en-US-Studio-O", "Kore", "en-US-Chirp3-HD-Kore", "cmn-CN-Wavenet-A"]
    voices = [{"name": name, "languageCodes": [name[:5]]} for name in names]
    monkeypatch.setattr(vendor, "reply", lambda asked: json_reply({"voices": voices}))
    found = get_adapter("google").voices(vendor.access)
    assert [info.id for info in found] == names[2:]
