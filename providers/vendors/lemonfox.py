"""LemonFox: `POST /v1/audio/speech`, like OpenAI's, with optional word times.

Sources: the vendor's page on text to speech and public clients, read 2026-11-20. Traps:
with word times the response is one JSON document instead of audio; there is no list of
voices, and the same names exist in several languages; errors are not documented.
"""

import json
from collections.abc import Generator
from decimal import Decimal
from typing import Literal

from providers.contract import http
from providers.contract.alignment import Timeline, match_words
from providers.contract.base import (
    Access,
    Encoding,
    Failure,
    KeyStatus,
    Limit,
    ProviderError,
    Speech,
    SpeechRequest,
    VoiceInfo,
    Word,
)
from providers.contract.failures import error_from_response, list_at, value_at
from providers.contract.remote import Remote, clamp_speed
from providers.contract.sound import audio_body, audio_parts, decode_base64, read_wav
from providers.vendors.openai import FAILURES, bearer, codes_in

_FEMALE = frozenset(
    """
    heart bella alloy aoede kore jessica nicole nova river sarah sky alice emma isabella
    lily gongitsune nezumi tebukuro xiaobei xiaoni xiaoxiao xiaoyi dora siwis beta sara
    """.split()
)
_FEMALE_BY_LANGUAGE = {("ja", "alpha"), ("hi", "alpha")}
# The vendor's language code, BCP 47, and names of voices; genders are those of Kokoro.
_LANGUAGES = (
    (
        "en-us",
        "en-US",
        "heart bella michael alloy aoede kore jessica nicole nova river sarah sky echo"
        " eric fenrir liam onyx puck adam santa",
    ),
    ("en-gb", "en-GB", "alice emma isabella lily daniel fable george lewis"),
    ("ja", "ja", "alpha gongitsune nezumi tebukuro kumo"),
    ("zh", "zh", "xiaobei xiaoni xiaoxiao xiaoyi yunjian yunxi yunxia yunyang"),
    ("es", "es", "dora alex santa"),
    ("fr", "fr", "siwis"),
    ("hi", "hi", "alpha beta omega psi"),
    ("it", "it", "sara nicola"),
    ("pt-br", "pt-BR", "dora alex santa"),
)


_ONE_LETTER = json.dumps({"input": "a", "voice": "sarah", "language": "en-us"}).encode()


def _id(language: str, name: str) -> str:
    return name if language == "en-us" else f"{language}-{name}"


_VOICES = {
    _id(language, name): (language, name)
    for language, _, names in _LANGUAGES
    for name in names.split()
}


class LemonFox(Remote):
    """The adapter of LemonFox: Kokoro's voices with word times."""

    slug = "lemonfox"
    name = "LemonFox"
    limit = Limit(4_000)
    word_timestamps: Literal["exact", "estimated"] = "exact"
    streaming = False
    has_voice_table = True
    regions = {
        "": "https://api.lemonfox.ai/v1",
        "eu": "https://eu-api.lemonfox.ai/v1",
    }
    cost_multiplier = Decimal("0.25")

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request; the call is complete when this returns."""
        self.validate(request)
        if request.voice not in _VOICES:
            raise ProviderError(Failure.UNKNOWN_VOICE)
        language, voice = _VOICES[request.voice]
        body: dict[str, object] = {
            "input": request.text,
            "voice": voice,
            "language": language,
            "response_format": "wav",
            "word_timestamps": True,
        }
        if request.speed != 1:
            body["speed"] = clamp_speed(request, 0.5, 4)
        url = f"{self.address(access)}/audio/speech"
        headers = bearer(self.key(access))
        with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
            if answer.status != 200:
                raise error_from_response(answer, codes_in, FAILURES)
            wav, tokens = _read(answer)
        rate, samples = read_wav(wav)
        times = match_words(request.text, tokens)
        return Speech(Encoding("pcm", rate), _parts(rate, samples, times))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the vendor's page; there is no list by API."""
        return [
            VoiceInfo(_id(code, name), name.title(), language, _gender(code, name))
            for code, language, names in _LANGUAGES
            for name in names.split()
        ]

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing models or, without that list, by speaking one letter.

        No free call is documented. The letter costs about 0.0000025 USD.
        """
        headers = bearer(self.key(access))
        url = f"{self.address(access)}/models"
        with http.call("GET", url, headers, limits=http.QUICK) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            if answer.status not in (403, 404, 405):
                raise error_from_response(answer, codes_in, FAILURES)
        url = f"{self.address(access)}/audio/speech"
        with http.call("POST", url, headers, _ONE_LETTER, limits=http.QUICK) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            if answer.status in (403, 404, 405):
                return KeyStatus.UNKNOWN
            raise error_from_response(answer, codes_in, FAILURES)


def _gender(language: str, name: str) -> Literal["female", "male"]:
    if (language, name) == ("it", "nicola"):
        return "male"
    is_female = name in _FEMALE or (language, name) in _FEMALE_BY_LANGUAGE
    return "female" if is_female else "male"


def _read(answer: http.Response) -> tuple[bytes, list[tuple[object, object, object]]]:
    """Return the WAV file and the timed tokens; a body other than JSON is the file."""
    if answer.content_type != "application/json":
        return b"".join(audio_body(answer, "wav")), []
    said = answer.json()
    tokens = [
        (value_at(token, "word"), value_at(token, "start"), value_at(token, "end"))
        for token in list_at(said, "word_timestamps")
    ]
    return b"".join(
        audio_parts([decode_base64(value_at(said, "audio"))], "wav")
    ), tokens


def _parts(rate: int, samples: bytes, times: list[Word]) -> Generator[bytes | Word]:
    timeline = Timeline(rate)
    timeline.add_words(times)
    yield from timeline.add_audio(samples)
    yield from timeline.finish()
