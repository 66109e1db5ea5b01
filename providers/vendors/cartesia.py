"""Cartesia: `POST /tts/sse`, audio and word times in one stream of events.

Sources: cartesia-python 4.2.0 and docs.cartesia.ai, read 2026-11-30; docs/providers.md has
those of the model. Traps: the API version is a required header; events carry only raw
samples; an error may come as an event after 200; older versions send errors as plain text;
a voice speaks only the language that the request names, so ids here include it, unless it
is English; speeds have no effect on `sonic-3.5`; tags and `[laughter]` are obeyed.
"""

import json
import re
from collections.abc import Generator, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

from providers.contract import http
from providers.contract.alignment import Matcher, Timeline, timed_tokens
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
from providers.contract.markup import without_tags
from providers.contract.options import Flag, Option
from providers.contract.remote import Remote, clamp_speed, flag_option
from providers.contract.sound import decode_base64, require_audio

_VERSION = "2026-08-14"
_MODEL = "sonic-3.6"
_RATE = 24_000  # Hz
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_VOICE = re.compile(rf"(?:([a-z]{{2,3}})-)?({_UUID})")
_LOCALE = re.compile(r"([a-z]{2,3})(?:-[A-Za-z0-9]{2,8})*")
_PAGE = 100  # voices
_MOST_PAGES = 100
_GENDERS: dict[object, Literal["female", "male", "neutral"]] = {
    "feminine": "female",
    "female": "female",
    "masculine": "male",
    "male": "male",
    "gender_neutral": "neutral",
}
_FAILURES = {
    "concurrency_limited": Failure.RATE_LIMITED,
    "rate_limited": Failure.RATE_LIMITED,
    "quota_exceeded": Failure.QUOTA,
    "voice_not_found": Failure.UNKNOWN_VOICE,
}


class Cartesia(Remote):
    """The adapter of Cartesia: voices with low latency and word times."""

    slug = "cartesia"
    name = "Cartesia"
    limit = Limit(2_000)
    word_timestamps: Literal["exact", "estimated"] = "exact"
    streaming = True
    regions = {"": "https://api.cartesia.ai"}
    options: Mapping[str, Option] = {"markup": Flag()}
    cost_multiplier = Decimal(3)
    max_concurrent_per_key = 3

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        Option: `markup`, whether tags and `[laughter]` are obeyed.
        """
        self.validate(request)
        match = _VOICE.fullmatch(request.voice)
        if not match:
            raise ProviderError(Failure.UNKNOWN_VOICE)
        text = request.text
        if not flag_option(request, "markup"):
            text = without_tags(text)
        body: dict[str, object] = {
            "model_id": _MODEL,
            "transcript": text,
            "voice": {"id": match[2]},
            "language": match[1] or "en",
            "output_format": {
                "container": "raw",
                "encoding": "pcm_s16le",
                "sample_rate": _RATE,
            },
            "add_timestamps": True,
        }
        if request.speed != 1:
            body["generation_config"] = {"speed": clamp_speed(request, 0.6, 1.5)}
        url = f"{self.address(access)}/tts/sse"
        headers = {"Content-Type": "application/json", **self._headers(access)}
        return Speech(Encoding("pcm", _RATE), _parts(url, headers, body, text))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the vendor's list, once for each of their languages."""
        found: dict[str, VoiceInfo] = {}
        query = {"limit": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            page = self._page(access, query)
            entries = list_at(page, "data")
            for entry in entries:
                found.update({info.id: info for info in _voice_infos(entry)})
            last = text_at(entries[-1], "id") if entries else ""
            # `has_more` may be missing; then a full page means that there are more.
            has_more = value_at(page, "has_more")
            if not isinstance(has_more, bool):
                has_more = len(entries) == _PAGE
            if not (has_more and last):
                break
            query = {"limit": str(_PAGE), "starting_after": last}
        return list(found.values())

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing one voice, which is free."""
        self._page(access, {"limit": "1"})
        return KeyStatus.VALID

    def _page(self, access: Access, query: dict[str, str]) -> Any:
        url = f"{self.address(access)}/voices?{urlencode(query)}"
        headers = self._headers(access)
        with http.call("GET", url, headers, limits=http.QUICK) as answer:
            if answer.status != 200:
                raise error_from_response(answer, _codes_in, _FAILURES)
            return answer.json()

    def _headers(self, access: Access) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.key(access)}",
            "Cartesia-Version": _VERSION,
        }


def _parts(
    url: str, headers: dict[str, str], body: dict[str, object], text: str
) -> Generator[bytes | Word]:
    timeline, matcher = Timeline(_RATE), Matcher(text)
    is_done = False
    with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
        if answer.status != 200:
            raise _error(answer)
        if answer.content_type != "text/event-stream":
            raise ProviderError(Failure.BAD_AUDIO, answer.content_type[:60])
        for event in _events(answer):
            match value_at(event, "type"):
                case "chunk":
                    if audio := decode_base64(value_at(event, "data")):
                        if not timeline.seconds:
                            require_audio(audio, "pcm")
                        yield from timeline.add_audio(audio)
                case "timestamps":
                    for token in timed_tokens(_tokens(event)):
                        timeline.add_words(matcher.feed(*token))
                case "error":
                    raise _event_error(answer, event)
                case "done":
                    is_done = True
                    break
        answer.skip_rest()
    if not is_done or not timeline.seconds:
        raise ProviderError(
            Failure.BAD_AUDIO, "the stream ended before the event `done`"
        )
    timeline.add_words(matcher.finish())
    yield from timeline.finish()


def _events(answer: http.Response) -> Generator[Any]:
    """Yield the values of the stream's events; each is one line of JSON."""
    for line in answer.lines():
        if line.startswith(b"data:"):
            yield http.parse_json(line[5:])


def _tokens(event: object) -> Iterator[tuple[object, object, object]]:
    times = value_at(event, "word_timestamps")
    return zip(
        list_at(times, "words"),
        list_at(times, "start"),
        list_at(times, "end"),
        strict=False,
    )


def _event_error(answer: http.Response, event: object) -> ProviderError:
    """Return the error for an event of type `error`."""
    code, status = text_at(event, "error_code"), value_at(event, "status_code")
    kind = failure_for_status(status) if isinstance(status, int) else Failure.DOWN
    return provider_error(answer, _FAILURES.get(code, kind), code)


def _error(answer: http.Response) -> ProviderError:
    error = error_from_response(answer, _codes_in, _FAILURES)
    if answer.status == 404:
        return ProviderError(Failure.UNKNOWN_VOICE, str(error))
    return error


def _codes_in(body: Any) -> list[object]:
    return [value_at(body, "error_code")]


def _voice_infos(entry: object) -> list[VoiceInfo]:
    """Return a voice for each language that it speaks, its own one first."""
    voice = value_at(entry, "id")
    if not isinstance(voice, str) or not re.fullmatch(_UUID, voice):
        return []
    locales = [text_at(one, "locale") for one in list_at(entry, "locales")]
    found: dict[str, VoiceInfo] = {}
    for locale in locales or [text_at(entry, "language")]:
        match = _LOCALE.fullmatch(locale)
        if not match or match[1] in found:
            continue
        found[match[1]] = VoiceInfo(
            voice if match[1] == "en" else f"{match[1]}-{voice}",
            text_at(entry, "name") or voice,
            locale,
            _GENDERS.get(text_at(entry, "gender"), ""),
            text_at(entry, "description"),
            # API versions use different fields.
            is_public=value_at(entry, "access") == "public"
            or value_at(entry, "is_public") is True,
        )
    return list(found.values())
