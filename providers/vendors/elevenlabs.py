"""ElevenLabs: `POST /v1/text-to-speech/{voice}/stream/with-timestamps`.

Sources: elevenlabs-python 2.78, read 2026-11-30, elevenlabs-docs and its table of errors,
read 2026-11-20; docs/providers.md has those of the models. Traps: the response is JSON
lines, not events; a key for speech only gets 401 for every list, distinguished by `status`;
errors have three shapes; no credit is 401 or 402; PCM at 44.1 kHz needs a paid plan, 24 kHz
does not; models differ in the longest text and in their settings; `eleven_v3` rejects the
text around a request, and its times drift towards the end; v3 and v4 obey words in square
brackets, v4 reads words in slashes as IPA.
"""

import json
import re
from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

from providers.contract import http, words
from providers.contract.alignment import Timeline, timed_tokens, words_from_characters
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
from providers.contract.markup import without_brackets, without_slashes
from providers.contract.options import Choice, Flag, Number, Option, Text
from providers.contract.remote import (
    Remote,
    choice_option,
    clamp_speed,
    flag_option,
    number_option,
    text_option,
)
from providers.contract.sound import decode_base64, require_audio

_RATE = 24_000  # Hz
_MODELS = (
    "eleven_multilingual_v2",
    "eleven_flash_v2_5",
    "eleven_turbo_v2_5",
    "eleven_v3",
    "eleven_v4",
    "eleven_v4_turbo",
)
# Characters. `eleven_flash_v2_5` takes 40,000: three quarters of an hour, which would be
# lost, and billed again, if the call broke.
_MOST = {"eleven_v3": 5_000}
_MOST_OF_OTHERS = 10_000
_SUCCESSORS = {"eleven_turbo_v2_5": "eleven_flash_v2_5"}
_CONTINUING = ("eleven_multilingual_v2", "eleven_flash_v2_5")
_UNPACED = ("eleven_v3", "eleven_v4", "eleven_v4_turbo")
_VOICE = re.compile(r"[A-Za-z0-9]{12,40}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_SHARE = Number(0, 1)
_SKIPPED = 40  # characters in a row that an alignment may skip
_MOST_PAGES = 100
_FAILURES = {
    "invalid_api_key": Failure.BAD_KEY,
    "missing_api_key": Failure.BAD_KEY,
    "missing_permissions": Failure.BAD_KEY,
    "quota_exceeded": Failure.QUOTA,
    "insufficient_credits": Failure.QUOTA,
    "payment_required": Failure.QUOTA,
    "text_too_long": Failure.TOO_LONG,
    "max_character_limit_exceeded": Failure.TOO_LONG,
    "empty_text": Failure.UNSPEAKABLE,
    "voice_not_found": Failure.UNKNOWN_VOICE,
    "voice_access_denied": Failure.UNKNOWN_VOICE,
    "model_not_found": Failure.BAD_REQUEST,
    "subscription_required": Failure.BAD_REQUEST,
    "feature_not_available": Failure.BAD_REQUEST,
    "only_for_creator+": Failure.BAD_REQUEST,
    "rate_limit_exceeded": Failure.RATE_LIMITED,
    "concurrent_limit_exceeded": Failure.RATE_LIMITED,
    "too_many_concurrent_requests": Failure.RATE_LIMITED,
    "system_busy": Failure.BUSY,
}


class ElevenLabs(Remote):
    """The adapter of ElevenLabs: voices with times for every character."""

    slug = "elevenlabs"
    name = "ElevenLabs"
    limit = Limit(_MOST_OF_OTHERS)
    word_timestamps: Literal["exact", "estimated"] = "exact"
    streaming = True
    regions = {
        "": "https://api.elevenlabs.io",
        "us": "https://api.us.elevenlabs.io",
        "eu": "https://api.eu.residency.elevenlabs.io",
        "in": "https://api.in.residency.elevenlabs.io",
        "sg": "https://api.sg.residency.elevenlabs.io",
    }
    # The first model is the default. It is the most expensive, and sets the price.
    options: Mapping[str, Option] = {
        "model": Choice(_MODELS),
        "stability": _SHARE,
        "similarity_boost": _SHARE,
        "language": Text(2, _LANGUAGE.pattern, "Two letters, such as en."),
        "markup": Flag(),
    }
    cost_multiplier = Decimal(7)
    max_concurrent_per_key = 5

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the limit of the model in `options`."""
        model = str(options.get("model", _MODELS[0]))
        return Limit(_MOST.get(model, _MOST_OF_OTHERS))

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return the settings that the model in `options` doesn't have."""
        model = options.get("model", _MODELS[0])
        refused = {}
        if "similarity_boost" in options and model == "eleven_v3":
            refused["similarity_boost"] = f"{model} takes only stability."
        if speed != 1 and model in _UNPACED:
            refused["speed"] = f"{model} has only its normal speed."
        return refused

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        Options: `model`; `stability` and `similarity_boost`, 0 to 1; `language`, two
        letters, which `eleven_multilingual_v2` doesn't support; `markup`, whether v3 and
        v4 obey what is in brackets.
        """
        self.validate(request)
        if not _VOICE.fullmatch(request.voice):
            raise ProviderError(Failure.UNKNOWN_VOICE)
        model = choice_option(request, "model", _MODELS)
        model = _SUCCESSORS.get(model, model)
        text = request.text
        if not flag_option(request, "markup"):
            text = _plain(text, model)
        body: dict[str, object] = {"text": text, "model_id": model}
        if model in _CONTINUING:
            around = {"previous_text": request.before, "next_text": request.after}
            body.update({name: said for name, said in around.items() if said})
        left_out = self.unsupported(request.voice, request.speed, request.options)
        settings = {
            name: value
            for name in ("stability", "similarity_boost")
            if (value := number_option(request, name, _SHARE.low, _SHARE.high))
            is not None
            and name not in left_out
        }
        if request.speed != 1 and "speed" not in left_out:
            settings["speed"] = clamp_speed(request, 0.7, 1.2)
        if settings:
            body["voice_settings"] = settings
        language = text_option(request, "language", 2)
        if language and not _LANGUAGE.fullmatch(language):
            raise ProviderError(Failure.BAD_REQUEST, "option language")
        if language and model != "eleven_multilingual_v2":
            body["language_code"] = language
        url = (
            f"{self.address(access)}/v1/text-to-speech/{request.voice}"
            f"/stream/with-timestamps?output_format=pcm_{_RATE}"
        )
        headers = {"Content-Type": "application/json", **self._key(access)}
        return Speech(Encoding("pcm", _RATE), _parts(url, headers, body, text))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the account's list, which has pages."""
        headers = self._key(access)
        found: dict[str, VoiceInfo] = {}
        token = ""
        for _ in range(_MOST_PAGES):
            query = {"page_size": "100"} | ({"next_page_token": token} if token else {})
            url = f"{self.address(access)}/v2/voices?{urlencode(query)}"
            with http.call("GET", url, headers, limits=http.QUICK) as answer:
                if answer.status != 200:
                    raise error_from_response(answer, _codes_in, _FAILURES)
                page = answer.json()
            for entry in list_at(page, "voices"):
                if info := _voice_info(entry):
                    found[info.id] = info
            token = text_at(page, "next_page_token")
            if not (value_at(page, "has_more") and token):
                break
        return list(found.values())

    def check(self, access: Access) -> KeyStatus:
        """Check the key by reading the subscription, which is free.

        Keys may lack the permission for it; then they are RESTRICTED.
        """
        url = f"{self.address(access)}/v1/user/subscription"
        with http.call("GET", url, self._key(access), limits=http.QUICK) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            codes = [code for code in _codes_in(answer.error()) if code]
            if "missing_permissions" in codes:
                return KeyStatus.RESTRICTED
            named = [code for code in codes if isinstance(code, str)]
            kinds = [_FAILURES[code] for code in named if code in _FAILURES]
            if not kinds and answer.status in (401, 403):
                return KeyStatus.UNKNOWN  # a bad key would have a known code
            kind = kinds[0] if kinds else failure_for_status(answer.status)
            raise provider_error(answer, kind, *named)

    def _key(self, access: Access) -> dict[str, str]:
        return {"xi-api-key": self.key(access)}


def _parts(
    url: str, headers: dict[str, str], body: dict[str, object], text: str
) -> Generator[bytes | Word]:
    timeline, letters = Timeline(_RATE), _Letters(text)
    with http.call("POST", url, headers, json.dumps(body).encode()) as answer:
        if answer.status != 200:
            raise error_from_response(answer, _codes_in, _FAILURES)
        if answer.content_type.startswith("text/html"):
            raise ProviderError(Failure.BAD_AUDIO, "a web page")
        for line in answer.lines():
            if not line.strip():
                continue
            said = http.parse_json(line)
            if value_at(said, "detail") is not None:
                codes = [code for code in _codes_in(said) if isinstance(code, str)]
                kinds = [_FAILURES[code] for code in codes if code in _FAILURES]
                raise provider_error(
                    answer, kinds[0] if kinds else Failure.DOWN, *codes
                )
            timeline.add_words(letters.feed(value_at(said, "alignment")))
            if audio := decode_base64(value_at(said, "audio_base64")):
                if not timeline.seconds:
                    require_audio(audio, "pcm")
                yield from timeline.add_audio(audio)
    if not timeline.seconds:
        raise ProviderError(Failure.BAD_AUDIO, "empty")
    timeline.add_words(letters.finish())
    yield from timeline.finish()


def _plain(text: str, model: str) -> str:
    """Return `text`, as long, without what `model` would take for an instruction."""
    if model.startswith(("eleven_v3", "eleven_v4")):
        text = without_brackets(text)
    return without_slashes(text) if model.startswith("eleven_v4") else text


class _Letters:
    """Collects the times of a text's characters and builds timed words from them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._times: dict[int, tuple[float, float]] = {}
        self._words = [unit for unit in words.split(text) if unit.has_letters]
        self._done = 0

    def feed(self, alignment: object) -> list[Word]:
        """Add an alignment, or None; return the words that it completes."""
        rows = zip(
            list_at(alignment, "characters"),
            list_at(alignment, "character_start_times_seconds"),
            list_at(alignment, "character_end_times_seconds"),
            strict=False,
        )
        for character, start, end in timed_tokens(rows):
            reach = self._offset + _SKIPPED + len(character)
            found = self._text.find(character, self._offset, reach)
            if found >= 0 and character:
                for index in range(found, found + len(character)):
                    self._times[index] = (start, end)
                self._offset = found + len(character)
        whole = self._done
        while whole < len(self._words) and self._words[whole].word_end <= self._offset:
            whole += 1
        return self._take_words(whole)

    def finish(self) -> list[Word]:
        """Return the remaining words."""
        return self._take_words(len(self._words))

    def _take_words(self, upto: int) -> list[Word]:
        units, self._done = self._words[self._done : upto], upto
        return words_from_characters(units, self._times)


def _codes_in(body: Any) -> list[object]:
    detail = value_at(body, "detail")
    return [value_at(detail, name) for name in ("status", "code", "type")]


def _voice_info(entry: object) -> VoiceInfo | None:
    voice = value_at(entry, "voice_id")
    if not isinstance(voice, str) or not _VOICE.fullmatch(voice):
        return None
    known: dict[object, Literal["female", "male", "neutral"]] = {
        "female": "female",
        "male": "male",
        "neutral": "neutral",
    }
    return VoiceInfo(
        voice,
        text_at(entry, "name") or voice,
        _language(entry),
        known.get(text_at(entry, "labels", "gender"), ""),
        text_at(entry, "description") or text_at(entry, "labels", "accent"),
        # Other voices are cloned or were added to the account by its owner.
        is_public=value_at(entry, "category") == "premade",
    )


def _language(entry: object) -> str:
    """Return the first verified language; `mul` if there is none."""
    verified = value_at(entry, "verified_languages")
    first = verified[0] if isinstance(verified, list) and verified else None
    for found in (
        value_at(first, "locale"),
        value_at(first, "language"),
        value_at(entry, "labels", "language"),
    ):
        if isinstance(found, str) and re.fullmatch(r"[A-Za-z]{2,3}(-\w{2,8})*", found):
            return found
    return "mul"
