"""Google Cloud Text-to-Speech: `POST /v1/text:synthesize`.

Sources: googleapis protos v1 and v1beta1 (2026-08-22), the quotas page and the discovery
document, read 2026-11-20. Traps: a wrong key gives 400; the limit is 5,000 bytes including
all marks and tags; only v1beta1 returns times, only for marks that we insert, and not for
Chirp voices; some voices refuse a long sentence, others don't, and no document says which
(googleapis/google-cloud-node#4074: 300 characters of Spanish, Neural2); Chirp voices
refuse a pitch, Journey voices also a speed, even a neutral one, and both messages name the
voice (home-assistant/core#144824, #130843); HTTP responses are not streamed.
"""

import json
import re
from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, Literal

from providers.contract import http, words
from providers.contract.alignment import Timeline
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
    finite_number,
    list_at,
    provider_error,
    text_at,
    value_at,
)
from providers.contract.markup import escaped
from providers.contract.options import Number, Option
from providers.contract.remote import Remote, clamp_speed, number_option
from providers.contract.sound import audio_parts, decode_base64, read_wav

_RATE = 24_000  # Hz
# Far below the vendor's limit, since playback starts only after the whole response.
_PLAIN = Limit(2_000, "bytes")
_VOICE = re.compile(r"([a-z]{2,3}(?:-[A-Za-z]{4})?-[A-Z0-9]{2,3})-[A-Za-z0-9-]{1,60}")
_NO_VOICE = r"voice\b.*\b(does not exist|not found|is not available|misspelled)"
_MARK = re.compile(r"[0-9]{1,5}")
_UNMARKED = ("-Chirp", "-Journey")
_UNPITCHED = ("-Chirp", "-Journey")
_UNPACED = ("-Journey",)
_PITCH = Number(-20, 20)  # semitones
# Studio voices cost five times as much as the most expensive of the others.
_LEFT_OUT = ("-Studio-",)
_GENDERS: dict[object, Literal["female", "male", "neutral"]] = {
    "FEMALE": "female",
    "MALE": "male",
    "NEUTRAL": "neutral",
}
_FAILURES = {
    "API_KEY_INVALID": Failure.BAD_KEY,
    "SERVICE_DISABLED": Failure.BAD_KEY,
    "BILLING_DISABLED": Failure.QUOTA,
    "UNAUTHENTICATED": Failure.BAD_KEY,
    "RESOURCE_EXHAUSTED": Failure.RATE_LIMITED,
    "UNAVAILABLE": Failure.BUSY,
}


class Google(Remote):
    """The adapter of Google Cloud: WaveNet, Neural2, Chirp and other voices."""

    slug = "google"
    name = "Google Cloud"
    limit = Limit(
        5_000,
        "bytes",
        weigh=lambda text: len(_marked(text).encode()),
    )
    word_timestamps: Literal["exact", "estimated"] = "exact"
    streaming = False
    regions = {
        "": "https://texttospeech.googleapis.com",
        "eu": "https://eu-texttospeech.googleapis.com",
        "us": "https://us-texttospeech.googleapis.com",
    }
    options: Mapping[str, Option] = {"pitch": _PITCH}
    cost_multiplier = Decimal(2)
    max_concurrent_per_key = 50

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the limit of SSML with marks, or of text for voices without marks."""
        return _PLAIN if _is_of(_UNMARKED, voice) else self.limit

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return the pitch for Chirp and Journey voices, and the speed for Journey."""
        refused = {}
        if options.get("pitch") and _is_of(_UNPITCHED, voice):
            refused["pitch"] = "This voice has only its own pitch."
        if speed != 1 and _is_of(_UNPACED, voice):
            refused["speed"] = "This voice has only its normal speed."
        return refused

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request; the call is complete when this returns.

        Option: `pitch`, -20 to 20 semitones.
        """
        self.validate(request)
        match = _VOICE.fullmatch(request.voice)
        if not match:
            raise ProviderError(Failure.UNKNOWN_VOICE)
        units = [unit for unit in words.split(request.text) if unit.has_letters]
        ssml = "" if _is_of(_UNMARKED, request.voice) else _marked(request.text)
        audio: dict[str, object] = {
            "audioEncoding": "LINEAR16",
            "sampleRateHertz": _RATE,
        }
        left_out = self.unsupported(request.voice, request.speed, request.options)
        if request.speed != 1 and "speed" not in left_out:
            audio["speakingRate"] = clamp_speed(request, 0.25, 2)
        pitch = number_option(request, "pitch", _PITCH.low, _PITCH.high)
        if pitch and "pitch" not in left_out:
            audio["pitch"] = pitch
        body: dict[str, object] = {
            "input": {"ssml": ssml} if ssml else {"text": request.text},
            "voice": {"languageCode": match[1], "name": request.voice},
            "audioConfig": audio,
        }
        version = "v1"
        if ssml:
            version = "v1beta1"
            body["enableTimePointing"] = ["SSML_MARK"]
        url = f"{self.address(access)}/{version}/text:synthesize"
        headers = {"Content-Type": "application/json", **self._key(access)}
        with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
            if answer.status != 200:
                raise _error(answer)
            said = answer.json()
        rate, samples = read_wav(_content(said))
        return Speech(
            Encoding("pcm", rate), _parts(rate, samples, _starts(said), units)
        )

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the vendor's list, without Studio voices and short names."""
        url = f"{self.address(access)}/v1/voices"
        with http.call("GET", url, self._key(access), limits=http.QUICK) as answer:
            if answer.status != 200:
                raise error_from_response(answer, _codes_in, _FAILURES)
            entries = list_at(answer.json(), "voices")
        return [info for entry in entries if (info := _voice_info(entry))]

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing the voices of one language, which is free."""
        url = f"{self.address(access)}/v1/voices?languageCode=en-US"
        with http.call("GET", url, self._key(access), limits=http.QUICK) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            raise _error(answer)

    def _key(self, access: Access) -> dict[str, str]:
        return {"X-Goog-Api-Key": self.key(access)}


def _is_of(families: tuple[str, ...], voice: str) -> bool:
    return any(family in voice for family in families)


def _marked(text: str) -> str:
    """Return `text` as SSML with a mark before each word."""
    pieces, place = ["<speak>"], 0
    spoken = (unit for unit in words.split(text) if unit.has_letters)
    for number, unit in enumerate(spoken):
        pieces.append(escaped(text[place : unit.word_start]))
        pieces.append(f'<mark name="{number}"/>')
        place = unit.word_start
    return "".join([*pieces, escaped(text[place:]), "</speak>"])


def _content(said: object) -> bytes:
    return b"".join(audio_parts([decode_base64(value_at(said, "audioContent"))], "wav"))


def _starts(said: object) -> dict[int, float]:
    """Return the start of each marked word in seconds, by the number of its mark."""
    starts = {}
    for point in list_at(said, "timepoints"):
        name = text_at(point, "markName")
        # A zero may be left out.
        seconds = finite_number(value_at(point, "timeSeconds") or 0)
        if _MARK.fullmatch(name) and seconds is not None:
            starts[int(name)] = seconds
    return starts


def _parts(
    rate: int, samples: bytes, starts: dict[int, float], units: list[words.Unit]
) -> Generator[bytes | Word]:
    """Yield the audio and the words; each lasts until the next begins."""
    timeline = Timeline(rate)
    total = len(samples) / 2 / rate
    marks = sorted(starts.items())
    ends = [seconds for _, seconds in marks[1:]] + [total]
    for (number, start), end in zip(marks, ends, strict=False):
        if number < len(units):
            unit = units[number]
            timeline.add_words([Word(start, end, unit.word_start, unit.word_end)])
    yield from timeline.add_audio(samples)
    yield from timeline.finish()


def _error(answer: http.Response) -> ProviderError:
    error = answer.error()
    codes = [code for code in _codes_in(error) if isinstance(code, str)]
    message = text_at(error, "error", "message").lower()
    for code in codes:
        if code in _FAILURES:
            return provider_error(answer, _FAILURES[code], *codes)
    if answer.status == 400 and "api key" in message:
        return provider_error(answer, Failure.BAD_KEY, *codes)
    if answer.status == 400 and ("longer than" in message or "too long" in message):
        return provider_error(answer, Failure.TOO_LONG, *codes)
    # As in: Voice 'en-US-Neural2-Z' does not exist. Is it misspelled?
    if answer.status in (400, 404) and re.search(_NO_VOICE, message):
        return provider_error(answer, Failure.UNKNOWN_VOICE, *codes)
    return provider_error(answer, failure_for_status(answer.status), *codes)


def _codes_in(body: Any) -> list[object]:
    details = list_at(body, "error", "details")
    reasons = [value_at(detail, "reason") for detail in details]
    return [*reasons, value_at(body, "error", "status")]


def _voice_info(entry: object) -> VoiceInfo | None:
    voice, languages = text_at(entry, "name"), list_at(entry, "languageCodes")
    match = _VOICE.fullmatch(voice)
    if not match or not languages or any(kind in voice for kind in _LEFT_OUT):
        return None
    return VoiceInfo(
        voice,
        voice.removeprefix(f"{match[1]}-"),
        str(languages[0]),
        _GENDERS.get(text_at(entry, "ssmlGender"), ""),
    )
