"""Behavior that is specific to one vendor."""

import json

import pytest

from providers.contract.base import (
    Access,
    Failure,
    KeyStatus,
    ProviderError,
    SpeechRequest,
)
from providers.contract.registry import get_adapter
from synthesis.text.splitting import split
from tests.providers.adapters.saying import asked_of, refused, say
from tests.providers.speaking import hear
from tests.providers.vendors.server import Reply, json_reply
from tests.providers.vendors.tones import samples, wav


def test_openai_request_has_no_unrequested_fields(stage):
    vendor, _ = say("openai", stage)
    assert asked_of(vendor) == {
        "model": "gpt-4o-mini-tts",
        "input": "Hello there.",
        "voice": "alloy",
        "response_format": "pcm",
    }


def test_openai_sends_its_options(stage):
    options = {"model": "tts-1", "instructions": "Whisper.", "unknown": 1}
    vendor, _ = say("openai", stage, options=options, speed=2.0)
    body = asked_of(vendor)
    assert (body["model"], body["speed"]) == ("tts-1", 2.0)
    assert "instructions" not in body  # that model supports no instructions
    vendor, _ = say("openai", stage, options={"instructions": "Whisper."})
    assert asked_of(vendor)["instructions"] == "Whisper."


@pytest.mark.parametrize(
    ("slug", "options"),
    [
        ("openai", {"model": "gpt-5"}),
        ("openai", {"model": ["tts-1"]}),
        ("openai", {"instructions": "x" * 4097}),
        ("openai", {"instructions": 7}),
        ("elevenlabs", {"stability": 1.1}),
        ("elevenlabs", {"stability": True}),
        ("elevenlabs", {"stability": "nan"}),
        ("elevenlabs", {"stability": float("nan")}),
        ("elevenlabs", {"model": "eleven_v0"}),
        ("elevenlabs", {"language": "1;"}),
        ("elevenlabs", {"markup": "yes"}),
        ("google", {"pitch": 21}),
        ("azure", {"style": "a'/>"}),
    ],
)
def test_invalid_option_is_rejected(stage, slug, options):
    assert refused(slug, stage, options=options) == Failure.BAD_REQUEST


def test_openai_rejects_a_voice_that_the_model_lacks(stage):
    kind = refused("openai", stage, voice="marin", options={"model": "tts-1"})
    assert kind == Failure.UNKNOWN_VOICE
    vendor, _ = say("openai", stage, voice="voice_12ab")
    assert asked_of(vendor)["voice"] == {"id": "voice_12ab"}


def test_azure_audio_that_was_cut_off_is_too_long(stage, monkeypatch):
    vendor = stage("azure")
    minute = samples("x" * 3000, 24_000)
    reply = Reply(200, "audio/basic", [minute] * 10)
    monkeypatch.setattr(vendor, "reply", lambda asked: reply)
    with pytest.raises(ProviderError) as caught:
        hear("Hi.", vendor.voice, provider=get_adapter("azure"), access=vendor.access)
    assert caught.value.kind == Failure.TOO_LONG


def test_azure_limit_is_lower_at_low_speed(stage):
    azure = get_adapter("azure")
    limits = [
        azure.limit_for("x", speed, {}).amount for speed in (0.25, 0.5, 0.8, 1, 4)
    ]
    assert limits == [900, 900, 1440, 1800, 1800]
    assert refused("azure", stage, text="x" * 901, speed=0.5) == Failure.TOO_LONG


def test_polly_counts_its_markup(stage):
    polly = get_adapter("polly")
    text = "a&" * 1_500
    assert polly.limit_for("x", 1, {}).measure(text) == 3_000
    assert polly.limit_for("x", 1.5, {}).measure(text) > 3_000
    assert polly.limit_for("x", 1.5, {}).measure("a" * 3_000) == 3_000
    assert refused("polly", stage, text=text, speed=1.5) == Failure.TOO_LONG
    for chunk in split(text, polly.limit_for("x", 1.5, {})):
        say("polly", stage, chunk.text, speed=1.5)


def test_azure_voices_omit_hd_voices(stage):
    vendor = stage("azure")
    (ava,) = get_adapter("azure").voices(vendor.access)
    assert (ava.id, ava.name, ava.language) == ("en-US-AvaNeural", "Ava", "en-US")


def test_lemonfox_response_may_be_the_audio_file(stage, monkeypatch):
    vendor = stage("lemonfox")
    reply = Reply(200, "audio/wav", wav("Hello there.", 24_000))
    monkeypatch.setattr(vendor, "reply", lambda asked: reply)
    provider = get_adapter("lemonfox")
    heard = hear("Hello there.", "sarah", provider=provider, access=vendor.access)
    assert heard.seconds == pytest.approx(0.24)
    assert heard.words == []


@pytest.mark.parametrize("status", [403, 404, 405])
def test_lemonfox_check_speaks_a_letter_without_a_model_list(
    stage, monkeypatch, status
):
    vendor = stage("lemonfox")
    lemonfox = get_adapter("lemonfox")

    def answer(asked):
        vendor.asked.append(asked)
        if asked.is_get("/v1/models"):
            return json_reply({}, status)
        assert (asked.method, asked.path) == ("POST", "/v1/audio/speech")
        assert asked.json == {"input": "a", "voice": "sarah", "language": "en-us"}
        if not vendor.has_key(asked):
            return vendor.refuse(401, "bad_key")
        return Reply(200, "audio/mpeg", b"\xff\xfb" * 99)

    monkeypatch.setattr(vendor, "answer", answer)
    assert lemonfox.check(vendor.access) == KeyStatus.VALID
    with pytest.raises(ProviderError) as caught:
        lemonfox.check(Access("n0t-the-key", vendor.access.base_url))
    assert caught.value.kind == Failure.BAD_KEY
    assert len(vendor.asked) == 4


def test_voices_of_an_account_are_not_public(stage):
    for slug, public in (
        ("elevenlabs", [True, False]),
        ("cartesia", [True, True, False]),
        ("openai", [True] * 13),
    ):
        voices = get_adapter(slug).voices(stage(slug).access)
        assert [info.is_public for info in voices] == public


def test_lemonfox_has_the_same_name_in_several_languages():
    voices = {info.id: info for info in get_adapter("lemonfox").voices(Access())}
    assert voices["sarah"].language == "en-US"
    assert (voices["es-dora"].language, voices["pt-br-dora"].language) == (
        "es",
        "pt-BR",
    )
    assert (voices["ja-alpha"].gender, voices["it-nicola"].gender) == ("female", "male")


def test_cartesia_voice_ids_include_the_language(stage, monkeypatch):
    vendor = stage("cartesia")
    english, french, german = get_adapter("cartesia").voices(vendor.access)
    assert (english.id, english.language) == (vendor.voice, "en-US")
    assert (french.id, french.language) == (f"fr-{vendor.voice}", "fr-FR")
    assert german.id == f"de-{vendor.voice.replace('a0', 'b1')}"
    monkeypatch.setattr(vendor, "reply", lambda asked: vendor.refuse(404, "gone"))
    with pytest.raises(ProviderError) as caught:
        hear("Ja.", german.id, provider=get_adapter("cartesia"), access=vendor.access)
    assert caught.value.kind == Failure.UNKNOWN_VOICE
    body = json.loads(vendor.asked[-1].body)
    assert (body["language"], body["voice"]) == ("de", {"id": german.id[3:]})


def test_cartesia_obeys_no_text_but_on_request(stage):
    text = '<speed ratio="1.5"/>Well [laughter] 1 < 2 <spell>ABC</spell>.'
    vendor, heard = say("cartesia", stage, text)
    sent = '(speed ratio="1.5"/)Well (laughter) 1 < 2 (spell)ABC(/spell).'
    assert vendor.spoken == [sent]
    assert [word.char_start for word in heard.words] == sorted(
        word.char_start for word in heard.words
    )
    vendor, _ = say("cartesia", stage, text, options={"markup": True})
    assert vendor.spoken == [text]


def test_cartesia_list_may_lack_has_more(stage, monkeypatch):
    vendor = stage("cartesia")
    ids = [f"a0e99841-438c-4a64-b679-{number:012x}" for number in range(150)]
    voices = [{"id": voice, "name": voice, "language": "en"} for voice in ids]

    def reply(asked):
        after = asked.query.get("starting_after")
        start = ids.index(after[0]) + 1 if after else 0
        return json_reply({"data": voices[start : start + 100]})

    monkeypatch.setattr(vendor, "reply", reply)
    found = get_adapter("cartesia").voices(vendor.access)
    assert [info.id for info in found] == ids
    assert len(vendor.asked) == 2


@pytest.mark.parametrize(
    ("voice", "speed", "path", "sent"),
    [
        ("flux-alexis-en", 1.0, "/v2/speak", None),
        ("flux-alexis-en", 1.23, "/v2/speak", ["1.25"]),
        ("flux-alexis-en", 0.25, "/v2/speak", ["0.5"]),
        ("aura-2-thalia-en", 1.23, "/v1/speak", ["1.23"]),
        ("aura-2-celeste-es", 4.0, "/v1/speak", ["1.5"]),
        ("aura-2-aurelia-de", 1.5, "/v1/speak", None),
        ("aura-asteria-en", 1.5, "/v1/speak", None),
    ],
)
def test_deepgram_voices_are_sent_a_speed_where_they_take_one(
    stage, voice, speed, path, sent
):
    vendor, _ = say("deepgram", stage, voice=voice, speed=speed)
    (asked,) = vendor.asked
    assert (asked.path, asked.query.get("speed")) == (path, sent)
    left_out = get_adapter("deepgram").unsupported(voice, speed, {})
    assert bool(left_out) == (sent is None and speed != 1)


def test_deepgram_lists_flux_and_aura(stage):
    voices = get_adapter("deepgram").voices(stage("deepgram").access)
    assert [(info.id, info.name, info.language) for info in voices] == [
        ("flux-alexis-en", "Alexis", "en-US"),
        ("aura-2-thalia-en", "Thalia", "en-US"),
    ]


def test_deepgram_blames_the_voice_only_if_it_is_unknown(stage, monkeypatch):
    assert refused("deepgram", stage, voice="flux-nobody-en") == Failure.UNKNOWN_VOICE
    vendor = stage("deepgram")
    reply = vendor.reject("SPEED_NOT_SUPPORTED")
    monkeypatch.setattr(vendor, "reply", lambda asked: reply)
    with pytest.raises(ProviderError) as caught:
        hear(
            "Hi.", vendor.voice, provider=get_adapter("deepgram"), access=vendor.access
        )
    assert caught.value.kind == Failure.BAD_REQUEST


def test_deepgram_obeys_no_text_but_on_request(stage):
    text = "Wait \\{pause:500ms\\} {or} not."
    vendor, _ = say("deepgram", stage, text)
    assert vendor.spoken == ["Wait  {pause:500ms } {or} not."]
    vendor, _ = say("deepgram", stage, text, options={"markup": True})
    assert vendor.spoken == [text]


def test_polly_keeps_audio_without_word_marks(stage, monkeypatch):
    vendor = stage("polly")
    reply = vendor.reply

    def without_marks(asked):
        if asked.json["OutputFormat"] == "json":
            return vendor.refuse(500, "server")
        return reply(asked)

    monkeypatch.setattr(vendor, "reply", without_marks)
    provider = get_adapter("polly")
    heard = hear("Hello there.", vendor.voice, provider=provider, access=vendor.access)
    assert heard.seconds > 0.2
    assert heard.words == []
    assert len(vendor.asked) == 2


def test_polly_finds_words_in_ssml(stage):
    vendor, heard = say("polly", stage, "Äh, “fish” & chips.", speed=1.5)
    body = asked_of(vendor)
    assert body["TextType"] == "ssml"
    assert body["Text"].startswith("<speak><prosody rate='150%'>")
    assert heard.spoken == ["Äh", "fish", "chips"]


def test_polly_lists_a_voice_for_each_engine_within_its_price(stage):
    vendor = stage("polly")
    voices = get_adapter("polly").voices(vendor.access)
    assert [(info.id, info.name) for info in voices] == [
        ("Joanna-neural", "Joanna"),
        ("Joanna-generative", "Joanna (generative)"),
        ("Joanna-standard", "Joanna (standard)"),
    ]


@pytest.mark.parametrize("engine", ["generative", "long-form"])
def test_polly_is_called_once_for_expensive_engines(stage, engine):
    vendor, heard = say("polly", stage, voice=f"Joanna-{engine}")
    assert [asked.json["Engine"] for asked in vendor.asked] == [engine]
    assert heard.seconds > 0.2
    assert heard.words == []


@pytest.mark.parametrize(
    "region", ["ap-southeast-5", "ap-southeast-7", "eu-central-2", "eu-south-2"]
)
def test_polly_has_its_newer_regions(region):
    address = get_adapter("polly").regions[region]
    assert address == f"https://polly.{region}.amazonaws.com"


@pytest.mark.parametrize("key", ["AKID", "AKID:", ":secret", "AKID:sec ret", "a:b:c:d"])
def test_polly_takes_a_key_in_two_parts(stage, key):
    vendor = stage("polly")
    access = Access(key, vendor.access.base_url, vendor.region)
    with pytest.raises(ProviderError) as caught:
        get_adapter("polly").speak(SpeechRequest("Hi.", vendor.voice), access)
    assert caught.value.kind == Failure.BAD_KEY
    assert vendor.asked == []
