"""Servers with OpenAI's speech interface: Kokoro-FastAPI, speaches, LocalAI and others.

Sources: those projects' code and issues, read 2026-11-20, and the documents of OpenRouter,
AssemblyAI, Inworld and LocalAI, read 2026-11-30. Operators can add any number of them: each
is a row in the catalogue whose slug is `compatible` or begins with
`compatible-`, with the server's address and model. openedai-speech has only `tts-1` and
`tts-1-hd`, speaches only installed models. Traps: servers differ in the shape of errors,
the voices and the longest text; the sample rate of `pcm` differs too, so we request WAV,
whose header has it; the sizes in that header are placeholders; a failure during the stream
shows only as an incomplete response. Kokoro-FastAPI has word times, if operators enable
them: lines of JSON from `/dev/captioned_speech`, next to `/v1`; not for every language, and
not in every version.
"""

import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

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
"""The voices of OpenAI's first models, which servers without a list support."""
_MODEL = "tts-1"  # most servers have it
_RATE = 24_000  # Hz, of `pcm`


@dataclass(frozen=True, slots=True)
class _Preset:
    """How a service differs from the servers that operators run."""

    model: str = _MODEL  # for an operator who names none
    format: Literal["wav", "pcm"] = "wav"
    lists_models: bool = False  # the list of models has the voices of each
    voices: tuple[str, ...] = ()  # of a service without a list


_PRESETS: dict[str, _Preset] = {
    # Its formats are mp3 and pcm, whose content type has the rate.
    "openrouter.ai": _Preset("", "pcm", lists_models=True),
    "tts.us.assemblyai.com": _Preset("assemblyai-tts-1", voices=_STANDARD),
    "api.inworld.ai": _Preset("inworld-tts-2"),
    "api.eu.inworld.ai": _Preset("inworld-tts-2"),
    "api.in.inworld.ai": _Preset("inworld-tts-2"),
}
"""Services by the host of their address."""
_OWN = _Preset(voices=_STANDARD)
_GENDERS: dict[str, Literal["female", "male"]] = {"f": "female", "m": "male"}
_HEAD = 256  # bytes; a WAV file's samples begin within them
# OpenAI's codes, and those of other servers.
_FAILURES = {
    **FAILURES,
    "invalid_model": Failure.BAD_REQUEST,
    "validation_error": Failure.BAD_REQUEST,
    "processing_error": Failure.DOWN,
}


class Compatible(Remote):
    """The adapter of servers with OpenAI's speech interface, which operators run."""

    slug = "compatible"
    name = "OpenAI-compatible"
    limit = Limit(2_000)
    word_timestamps: Literal["exact", "estimated"] = "estimated"
    streaming = True
    own_key = False
    needs_key = False
    # Without `model`: a server may have more expensive ones, but has only one price.
    options: Mapping[str, Option] = {"instructions": Text(4096)}
    cost_multiplier = Decimal(1)

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        Options: `instructions`; and `model`, instead of that of `access`. Without either
        the model is the service's, or `tts-1`.
        """
        self.validate(request)
        preset = _preset_of(self.address(access))
        model = text_option(request, "model", 200) or access.model or preset.model
        if not model:
            raise ProviderError(Failure.BAD_REQUEST, "no model")
        body: dict[str, object] = {
            "model": model,
            "input": request.text,
            "voice": request.voice,
            "response_format": preset.format,
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
        rate = _RATE if preset.format == "pcm" else 0
        return Speech(Encoding(preset.format, rate), parts)

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the server's list for its model.

        Without a list they are OpenAI's, where a server has those: it has no model of
        its own, or its preset says so.
        """
        preset = _preset_of(self.address(access))
        model = access.model or preset.model
        query = {"output_modalities": "speech"} if preset.lists_models else {}
        path = "models" if preset.lists_models else "audio/voices"
        if access.model and not preset.lists_models:
            query = {"model": model}
        url = f"{self.address(access)}/{path}{'?' if query else ''}{urlencode(query)}"
        headers = bearer(self.key(access))
        with http.call("GET", url, headers, limits=http.QUICK) as answer:
            if answer.status in (404, 405):
                is_openai = preset is not _OWN or model.startswith(_MODEL)
                names = preset.voices if is_openai else ()
                return [_voice_info(name, name.title()) for name in names]
            if answer.status != 200:
                raise error_from_response(answer, _codes_in, _FAILURES)
            said = answer.json()
        if not preset.lists_models:
            return list(_voice_infos(list_at(said, "voices")))
        entries = [
            voice
            for entry in list_at(said, "data")
            if text_at(entry, "id") == model
            for voice in list_at(entry, "supported_voices")
        ]
        return list(_voice_infos(entries))

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing models or voices; UNKNOWN if there is neither list."""
        headers = bearer(self.key(access))
        for path in ("models", "audio/voices"):
            url = f"{self.address(access)}/{path}"
            with http.call("GET", url, headers, limits=http.QUICK) as answer:
                if answer.status == 200:
                    return KeyStatus.VALID
                if answer.status not in (404, 405):
                    raise error_from_response(answer, _codes_in, _FAILURES)
        return KeyStatus.UNKNOWN


def _preset_of(address: str) -> _Preset:
    return _PRESETS.get(urlsplit(address).hostname or "", _OWN)


def _parts(
    address: str, headers: dict[str, str], body: dict[str, object]
) -> Generator[bytes | Word]:
    url = f"{address}/audio/speech"
    with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
        if answer.status != 200:
            raise _error(answer)
        if body["response_format"] == "pcm":
            _require_form(answer)
        yield from audio_body(answer, str(body["response_format"]))


def _require_form(answer: http.Response) -> None:
    """Raise ProviderError unless `pcm` has the rate that we expect, and one channel.

    As in `audio/pcm;rate=24000;channels=1`; what is left out is taken for that.
    """
    header = answer.headers.get("Content-Type", "")
    fields = dict(
        field.strip().lower().partition("=")[::2] for field in header.split(";")[1:]
    )
    wanted = {"rate": str(_RATE), "channels": "1"}
    if any(fields.get(name, value) != value for name, value in wanted.items()):
        raise ProviderError(Failure.BAD_AUDIO, header[:60])


def _captioned(
    address: str, headers: dict[str, str], body: dict[str, object], text: str
) -> Generator[bytes | Word]:
    """Yield the audio, then its words, if the server has word times."""
    url = f"{address.removesuffix('/v1')}/dev/captioned_speech"
    wanted = json.dumps({**body, "stream": True, "return_timestamps": True}).encode()
    tokens: list[tuple[object, object, object]] = []
    head, size = b"", 0
    with http.call("POST", url, headers, wanted) as answer:
        has_captions = answer.status not in (404, 405)
        if has_captions:
            if answer.status != 200:
                raise _error(answer)
            for part in audio_parts(_audio_of(answer, tokens), "wav"):
                head, size = (head + part)[:_HEAD], size + len(part)
                yield part
    if not has_captions:
        yield from _parts(address, headers, body)
        return
    rate = int.from_bytes(head[24:28], "little")
    timeline = Timeline(rate)
    timeline.add_words(match_words(text, tokens))
    yield from timeline.finish(_seconds(head, size, rate))


def _audio_of(
    answer: http.Response, tokens: list[tuple[object, object, object]]
) -> Generator[bytes]:
    """Yield the audio from lines of JSON; append their timed tokens to `tokens`."""
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
    """Return the seconds of a 16-bit mono WAV file, by its size and not its header."""
    return max(0, size - head.find(b"data") - 8) / 2 / rate if rate else 0.0


def _error(answer: http.Response) -> ProviderError:
    """Return the error for a response, by its code or the words of its message.

    Some servers have no code for an unknown voice. The message itself is not logged.
    """
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


def _voice_infos(entries: Iterable[object]) -> Generator[VoiceInfo]:
    """Yield voices from names or objects with an id; servers differ."""
    seen = set()
    for entry in entries:
        voice = entry if isinstance(entry, str) else text_at(entry, "id")
        voice = voice or text_at(entry, "voice_id") or text_at(entry, "name")
        if not voice or not voice.isprintable() or voice in seen:
            continue
        seen.add(voice)
        yield _voice_info(voice, text_at(entry, "name") or voice)


def _voice_info(voice: str, name: str) -> VoiceInfo:
    """Return a voice; Kokoro's ids give language and gender: `af_bella`."""
    head, underscore, rest = voice.partition("_")
    if underscore and len(head) == 2 and head[0] in _KOKORO and head[1] in _GENDERS:
        shown = rest.title() if name == voice else name
        return VoiceInfo(voice, shown, _KOKORO[head[0]], _GENDERS[head[1]])
    return VoiceInfo(voice, name, "mul")
