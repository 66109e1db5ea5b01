"""Deepgram: `POST /v1/speak` for Aura, `/v2/speak` for Flux, all options in the query.

Sources: deepgram-python-sdk 7.17 and developers.deepgram.com, read 2026-11-30. Traps: the
documentation is inconsistent about the default encoding, so we always send one, and about
the longest text and its status, so the limit here is 1,000 characters, and 413 and 422 mean
the same; 503 has its code in another field; each version lists only its own voices; a speed
is rejected where the model or language has none, and Flux rejects one off its steps; both
obey what is in escaped braces.
"""

import json
import re
from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

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
from providers.contract.failures import (
    error_from_response,
    failure_for_status,
    list_at,
    provider_error,
    text_at,
    value_at,
)
from providers.contract.markup import without_backslashes
from providers.contract.options import Flag, Option
from providers.contract.remote import Remote, clamp_speed, flag_option
from providers.contract.sound import audio_body

_RATE = 24_000  # Hz
_VOICE = re.compile(r"(?:aura|flux)-[a-z0-9-]{3,60}")
_PACED = re.compile(r"aura-2-.+-(?:en|es)|flux-.+-en")
_MESSAGES = ("err_msg", "message", "details")
_FAILURES = {
    "INVALID_AUTH": Failure.BAD_KEY,
    "INSUFFICIENT_PERMISSIONS": Failure.BAD_KEY,
    "ASR_PAYMENT_REQUIRED": Failure.QUOTA,
    "TOO_MANY_REQUESTS": Failure.RATE_LIMITED,
}


class Deepgram(Remote):
    """The adapter of Deepgram's Flux and Aura: voices with low latency."""

    slug = "deepgram"
    name = "Deepgram"
    limit = Limit(1_000)
    word_timestamps: Literal["exact", "estimated"] = "estimated"
    streaming = True
    regions = {
        "": "https://api.deepgram.com",
        "eu": "https://api.eu.deepgram.com",
        "au": "https://api.au.deepgram.com",
        "in": "https://api.in.deepgram.com",
    }
    options: Mapping[str, Option] = {"markup": Flag()}
    cost_multiplier = Decimal(2)
    max_concurrent_per_key = 15

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return the speed for Aura 1, and for Aura 2 but in English and Spanish."""
        if speed == 1 or _PACED.fullmatch(voice):
            return {}
        return {"speed": "This voice has only its normal speed."}

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        Option: `markup`, whether pauses and pronunciations in escaped braces are obeyed.
        """
        self.validate(request)
        if not _VOICE.fullmatch(request.voice):
            raise ProviderError(Failure.UNKNOWN_VOICE)
        query = {
            "model": request.voice,
            "encoding": "linear16",
            "container": "none",
            "sample_rate": str(_RATE),
        }
        is_flux = request.voice.startswith("flux-")
        if request.speed != 1 and _PACED.fullmatch(request.voice):
            speed = clamp_speed(request, 0.5 if is_flux else 0.7, 1.5)
            query["speed"] = f"{round(speed * 20) / 20 if is_flux else speed:g}"
        version = "v2" if is_flux else "v1"
        url = f"{self.address(access)}/{version}/speak?{urlencode(query)}"
        headers = {"Content-Type": "application/json", **self._token(access)}
        has_markup = flag_option(request, "markup")
        text = request.text if has_markup else without_backslashes(request.text)
        return Speech(Encoding("pcm", _RATE), _parts(url, headers, text))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the vendor's lists, Flux first."""
        headers = self._token(access)
        entries = []
        for version in ("v2", "v1"):
            url = f"{self.address(access)}/{version}/models"
            with http.call("GET", url, headers, limits=http.QUICK) as answer:
                if answer.status != 200:
                    raise error_from_response(answer, _codes_in, _FAILURES)
                entries += list_at(answer.json(), "tts")
        voices = {info.id: info for entry in entries if (info := _voice_info(entry))}
        return list(voices.values())

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing the projects, which is free."""
        headers = self._token(access)
        url = f"{self.address(access)}/v1/projects"
        with http.call("GET", url, headers, limits=http.QUICK) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            if answer.status == 403:
                return KeyStatus.RESTRICTED
            raise error_from_response(answer, _codes_in, _FAILURES)

    def _token(self, access: Access) -> dict[str, str]:
        return {"Authorization": f"Token {self.key(access)}"}


def _parts(url: str, headers: dict[str, str], text: str) -> Generator[bytes | Word]:
    body = json.dumps({"text": text}).encode()
    with http.call("POST", url, headers, body) as answer:
        if answer.status != 200:
            raise _error(answer)
        yield from audio_body(answer, "pcm")


def _error(answer: http.Response) -> ProviderError:
    said = answer.error()
    codes = [code for code in _codes_in(said) if isinstance(code, str)]
    kinds = [_FAILURES[code] for code in codes if code in _FAILURES]
    kind = kinds[0] if kinds else failure_for_status(answer.status)
    if answer.status in (413, 422):
        kind = Failure.TOO_LONG
    # As in: No such model/version combination found.
    elif answer.status == 400 and not kinds:
        messages = [text_at(said, name).lower() for name in _MESSAGES]
        if any("no such model" in message for message in messages):
            kind = Failure.UNKNOWN_VOICE
    return provider_error(answer, kind, *codes)


def _codes_in(body: Any) -> list[object]:
    names = ("err_code", "error_code", "category")
    return [value_at(body, name) for name in names]


def _voice_info(entry: object) -> VoiceInfo | None:
    voice = text_at(entry, "canonical_name")
    if not _VOICE.fullmatch(voice):
        return None
    tags = list_at(entry, "metadata", "tags")
    accent = text_at(entry, "metadata", "accent")
    gender: Literal["female", "male", ""] = ""
    if "feminine" in tags:
        gender = "female"
    elif "masculine" in tags:
        gender = "male"
    return VoiceInfo(
        voice,
        (text_at(entry, "name") or voice).title(),
        _language(voice, list_at(entry, "languages")),
        gender,
        f"{accent} accent" if accent else "",
    )


def _language(voice: str, languages: list[object]) -> str:
    """Return the most specific language, or the one at the end of the voice's name."""
    known = [code for code in languages if isinstance(code, str)]
    return max(known, key=len, default=voice.rpartition("-")[2])
