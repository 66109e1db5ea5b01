"""OpenAI: `POST /v1/audio/speech`.

Sources: openai-openapi's `openapi.yaml` of 2026-08-21 and the model pages, read 2026-11-20.
Traps: unknown fields are rejected; `gpt-4o-mini-tts` accepts 2,000 tokens, which Chinese
reaches at about 1,800 characters; 429 means a rate limit or no credit, distinguished by the
code; there is no list of voices; the content type of the response is not reliable.
"""

import json
from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, Literal

from providers.contract import http
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
from providers.contract.failures import error_from_response, provider_error, value_at
from providers.contract.options import Choice, Option, Text
from providers.contract.remote import Remote, choice_option, clamp_speed, text_option
from providers.contract.sound import audio_body

_RATE = 24_000  # Hz, of its `pcm`
_MINI = ("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")
_MODELS = (*_MINI, "tts-1")
_MOST_INSTRUCTIONS = 4096  # characters

_VOICES: tuple[tuple[str, Literal["female", "male", "neutral"]], ...] = (
    ("alloy", "neutral"),
    ("ash", "male"),
    ("ballad", "male"),
    ("cedar", "male"),
    ("coral", "female"),
    ("echo", "male"),
    ("fable", "neutral"),
    ("marin", "female"),
    ("nova", "female"),
    ("onyx", "male"),
    ("sage", "female"),
    ("shimmer", "female"),
    ("verse", "male"),
)
_NAMES = frozenset(name for name, _ in _VOICES)
_ONLY_MINI = frozenset({"ballad", "verse", "marin", "cedar"})

FAILURES = {
    "insufficient_quota": Failure.QUOTA,
    "rate_limit_exceeded": Failure.RATE_LIMITED,
    "invalid_api_key": Failure.BAD_KEY,
    "string_above_max_length": Failure.TOO_LONG,
    "model_not_found": Failure.BAD_REQUEST,
}


class OpenAI(Remote):
    """The adapter of OpenAI: voices of any language that follow instructions."""

    slug = "openai"
    name = "OpenAI"
    limit = Limit(1_800)
    word_timestamps: Literal["exact", "estimated"] = "estimated"
    streaming = True
    has_voice_table = True
    regions = {"": "https://api.openai.com/v1"}
    # Without more expensive models, since the provider has only one price.
    options: Mapping[str, Option] = {
        "model": Choice(_MODELS),
        "instructions": Text(_MOST_INSTRUCTIONS),
    }
    cost_multiplier = Decimal(1)

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        Options: `model`, and `instructions`, which `tts-1` does not support.
        """
        self.validate(request)
        model = choice_option(request, "model", _MODELS)
        voice = _voice(request.voice, model)
        body: dict[str, object] = {
            "model": model,
            "input": request.text,
            "voice": voice,
            "response_format": "pcm",
        }
        instructions = text_option(request, "instructions", _MOST_INSTRUCTIONS)
        if instructions and model in _MINI:
            body["instructions"] = instructions
        if request.speed != 1:
            body["speed"] = clamp_speed(request, 0.25, 4)
        url = f"{self.address(access)}/audio/speech"
        headers = bearer(self.key(access))
        return Speech(Encoding("pcm", _RATE), _parts(url, headers, body))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return OpenAI's own voices; each speaks any language."""
        return [
            VoiceInfo(name, name.title(), "mul", gender) for name, gender in _VOICES
        ]

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing the models, which is free.

        A restricted key may not list them; then the result is UNKNOWN.
        """
        url = f"{self.address(access)}/models"
        headers = bearer(self.key(access))
        with http.call("GET", url, headers, limits=http.QUICK) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            if answer.status == 403:
                return KeyStatus.UNKNOWN
            raise error_from_response(answer, codes_in, FAILURES)


def _voice(voice: str, model: str) -> str | dict[str, str]:
    """Return the request's voice: a name, or an object with the id of a custom voice."""
    if voice.startswith("voice_") and voice.isascii() and voice.isidentifier():
        return {"id": voice}
    if voice not in _NAMES:
        raise ProviderError(Failure.UNKNOWN_VOICE)
    if voice in _ONLY_MINI and model not in _MINI:
        raise ProviderError(Failure.UNKNOWN_VOICE, f"{voice} is not in {model}")
    return voice


def _parts(
    url: str, headers: dict[str, str], body: dict[str, object]
) -> Generator[bytes | Word]:
    with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
        if answer.status != 200:
            raise _error(answer)
        yield from audio_body(answer, "pcm")


def _error(answer: http.Response) -> ProviderError:
    if answer.headers.get("x-should-retry") == "false" and answer.status == 429:
        return provider_error(answer, Failure.QUOTA, "x-should-retry")
    return error_from_response(answer, codes_in, FAILURES)


def bearer(key: str) -> dict[str, str]:
    """Return the headers of a JSON request, with the key if there is one."""
    headers = {"Content-Type": "application/json"}
    return {**headers, "Authorization": f"Bearer {key}"} if key else headers


def codes_in(body: Any) -> list[object]:
    """Return the codes in an error body of OpenAI's format."""
    error = value_at(body, "error")
    return [value_at(error, "code"), value_at(error, "type"), value_at(error, "param")]
