"""Any server that speaks as OpenAI's does: Kokoro-FastAPI, speaches, LocalAI and others.

Sources: those projects' own code and issues, read 2026-11-20. Operators add as many as they
like: a row in the catalogue whose slug is `compatible`, or begins with `compatible-`, with
its address and the model that it knows: openedai-speech has `tts-1` and `tts-1-hd` alone,
speaches only what was installed. Traps: the shape of errors, the voices and the length that
is taken differ, and so does the rate of `pcm`, so WAV is asked for, which says its own; the
sizes in it are placeholders; a failure in the middle shows only in an answer that breaks
off. Kokoro-FastAPI tells word times where operators say so: lines of JSON from
`/dev/captioned_speech`, beside `/v1`; not for every language, and not in every version.
"""

import json
from collections.abc import Generator, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

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
from providers.contract.failures import (
    error_from_response,
    failure_for_status,
    list_at,
    provider_error,
    text_at,
    value_at,
)
from providers.contract.options import Option, Text
from providers.contract.remote import Remote, clamp_speed, text_option
from providers.contract.sound import audio_body, audio_parts, decode_base64
from providers.vendors.openai import FAILURES, bearer, codes_in

_KOKORO = {
    "a": "en-US",
    "b": "en-GB",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-BR",
    "z": "zh",
}
_STANDARD = ("alloy", "echo", "fable", "nova", "onyx", "shimmer")
"""The voices of OpenAI's first models: what a server without a list calls its own."""
_GENDERS: dict[str, Literal["female", "male"]] = {"f": "female", "m": "male"}
_HEAD = 256  # bytes in which the samples of a WAV file begin
# What the other names of the same thing mean.
_FAILURES = {
    **FAILURES,
    "invalid_model": Failure.BAD_REQUEST,
    "validation_error": Failure.BAD_REQUEST,
    "processing_error": Failure.DOWN,
}


class Compatible(Remote):
    """A server of the operators'."""

    slug = "compatible"
    name = "OpenAI-compatible"
    limit = Limit(2_000)
    word_timestamps: Literal["exact", "estimated"] = "estimated"
    streaming = True
    own_key = False
    needs_key = False
    # Not `model`: a server may have dearer ones, and the price belongs to the provider.
    options: Mapping[str, Option] = {"instructions": Text(4096)}
    cost_multiplier = Decimal(1)

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Speak as `providers.contract.base.Adapter` says.

        Options: `model`, in place of that of `access` (if neither, `tts-1`, which most
        servers know); and `instructions`.
        """
        self.validate(request)
        body: dict[str, object] = {
            "model": text_option(request, "model", 200) or access.model or "tts-1",
            "input": request.text,
            "voice": request.voice,
            "response_format": "wav",
        }
        if instructions := text_option(request, "instructions", 4096):
            body["instructions"] = instructions
        if request.speed != 1:
            body["speed"] = clamp_speed(request, 0.25, 4)
        address, headers = self.address(access), bearer(self.key(access))
        if access.has_captions:
            parts = _captioned(address, headers, body, request.text)
        else:
            parts = _parts(address, headers, body)
        return Speech(Encoding("wav", 0), parts)

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices that the server lists; OpenAI's names where it has no list."""
        url = f"{self.address(access)}/audio/voices"
        headers = bearer(self.key(access))
        with http.call("GET", url, headers, limits=http.QUICK) as answer:
            if answer.status in (404, 405):
                return [_info(name, name.title()) for name in _STANDARD]
            if answer.status != 200:
                raise error_from_response(answer, _codes_in, _FAILURES)
            said = answer.json()
        return list(_described(list_at(said, "voices")))

    def check(self, access: Access) -> KeyStatus:
        """Ask for the models, else for the voices; servers need have neither."""
        headers = bearer(self.key(access))
        for path in ("models", "audio/voices"):
            url = f"{self.address(access)}/{path}"
            with http.call("GET", url, headers, limits=http.QUICK) as answer:
                if answer.status == 200:
                    return KeyStatus.VALID
                if answer.status not in (404, 405):
                    raise error_from_response(answer, _codes_in, _FAILURES)
        return KeyStatus.UNKNOWN


def _parts(
    address: str, headers: dict[str, str], body: dict[str, object]
) -> Generator[bytes | Word]:
    url = f"{address}/audio/speech"
    with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
        if answer.status != 200:
            raise _refusal(answer)
        yield from audio_body(answer, "wav")


def _captioned(
    address: str, headers: dict[str, str], body: dict[str, object], text: str
) -> Generator[bytes | Word]:
    """Yield the audio, then its words; the audio alone from a server that tells none."""
    url = f"{address.removesuffix('/v1')}/dev/captioned_speech"
    wanted = json.dumps({**body, "stream": True, "return_timestamps": True}).encode()
    tokens: list[tuple[object, object, object]] = []
    head, size = b"", 0
    with http.call("POST", url, headers, wanted) as answer:
        has_captions = answer.status not in (404, 405)
        if has_captions:
            if answer.status != 200:
                raise _refusal(answer)
            for part in audio_parts(_heard(answer, tokens), "wav"):
                head, size = (head + part)[:_HEAD], size + len(part)
                yield part
    if not has_captions:
        yield from _parts(address, headers, body)
        return
    rate = int.from_bytes(head[24:28], "little")
    timeline = Timeline(rate)
    timeline.add_words(match_words(text, tokens))
    yield from timeline.finish(_seconds(head, size, rate))


def _heard(
    answer: http.Response, tokens: list[tuple[object, object, object]]
) -> Generator[bytes]:
    """Yield the audio in lines of JSON, and put the timed tokens aside."""
    for line in answer.lines():
        said = http.parse_json(line) if line.strip() else None
        tokens += [
            (
                value_at(token, "word"),
                value_at(token, "start_time"),
                value_at(token, "end_time"),
            )
            for token in list_at(said, "timestamps")
        ]
        yield decode_base64(value_at(said, "audio"))


def _seconds(head: bytes, size: int, rate: int) -> float:
    """Return how long a WAV file of 16-bit mono is, whatever its header says."""
    return max(0, size - head.find(b"data") - 8) / 2 / rate if rate else 0.0


def _refusal(answer: http.Response) -> ProviderError:
    """Tell apart what these servers say with words alone; the words stay here."""
    error = answer.error()
    codes = [code for code in _codes_in(error) if isinstance(code, str)]
    for code in codes:
        if code in _FAILURES:
            return provider_error(answer, _FAILURES[code], *codes)
    said = json.dumps(error).lower() if error is not None else ""
    if answer.status in (400, 404, 422) and "voice" in said and "not" in said:
        return provider_error(answer, Failure.UNKNOWN_VOICE)
    return provider_error(answer, failure_for_status(answer.status), *codes)


def _codes_in(body: Any) -> list[object]:
    detail = value_at(body, "detail")
    return [*codes_in(body), value_at(detail, "error"), value_at(detail, "type")]


def _described(entries: Iterable[object]) -> Generator[VoiceInfo]:
    """Yield voices from names, or from objects with an id, as builds differ."""
    seen = set()
    for entry in entries:
        voice = entry if isinstance(entry, str) else text_at(entry, "id")
        voice = voice or text_at(entry, "voice_id") or text_at(entry, "name")
        if not voice or not voice.isprintable() or voice in seen:
            continue
        seen.add(voice)
        yield _info(voice, text_at(entry, "name") or voice)


def _info(voice: str, name: str) -> VoiceInfo:
    """Describe a voice; Kokoro's names say language and gender: `af_bella`."""
    head, underscore, rest = voice.partition("_")
    if underscore and len(head) == 2 and head[0] in _KOKORO and head[1] in _GENDERS:
        shown = rest.title() if name == voice else name
        return VoiceInfo(voice, shown, _KOKORO[head[0]], _GENDERS[head[1]])
    return VoiceInfo(voice, name, "mul")
