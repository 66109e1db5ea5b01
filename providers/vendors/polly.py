"""Amazon Polly: `POST /v1/speech`, signed with Signature Version 4.

Sources: polly 2016-06-10 and the endpoints in botocore 1.44.8, read 2026-11-30, and
aws.amazon.com/polly/pricing, read 2026-11-20. Traps: the default engine is `standard`,
and not every voice has every engine; the sample rate is a string; PCM has at most 16 kHz,
so we request Ogg; word times need a second call, which may be billed, and their offsets
count bytes; a rate limit gives 400, distinguished by a header; tags and entities have a
separate limit.
"""

import json
import math
import re
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal
from urllib.parse import urlencode

from providers.contract import http
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
    failure_for_status,
    finite_number,
    list_at,
    provider_error,
    text_at,
    value_at,
)
from providers.contract.markup import escaped
from providers.contract.remote import Remote, clamp_speed
from providers.contract.sound import audio_body
from providers.vendors.sigv4 import Credentials, sign_headers

_RATE = 24_000  # Hz
_MAX_SPOKEN = 3_000  # characters
_MAX_WITH_TAGS = 6_000  # characters with tags, where `&` counts as five
_KEY = re.compile(
    r"[A-Za-z0-9]{4,128}:[A-Za-z0-9/+=]{4,128}(?::[A-Za-z0-9/+=]{4,4096})?"
)
_VOICE = re.compile(r"([A-Z][a-z]{1,40})-(neural|generative|standard|long-form)")
# With the call for word times a generative voice would cost more than the provider's
# price, which long-form voices exceed without it.
_LISTED = ("neural", "generative", "standard")
_TIMED = ("neural", "standard")
_PAGE = 65_307  # bytes of an Ogg page, at most
_MOST_PAGES = 100
_GENDERS: dict[object, Literal["female", "male"]] = {"Female": "female", "Male": "male"}
_REGIONS = """
    af-south-1 ap-east-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1
    ap-southeast-1 ap-southeast-2 ap-southeast-5 ap-southeast-7 ca-central-1 eu-central-1
    eu-central-2 eu-north-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 me-south-1 sa-east-1
    us-east-1 us-east-2 us-west-1 us-west-2
""".split()
_FAILURES = {
    "UnrecognizedClientException": Failure.BAD_KEY,
    "InvalidSignatureException": Failure.BAD_KEY,
    "IncompleteSignatureException": Failure.BAD_KEY,
    "MissingAuthenticationTokenException": Failure.BAD_KEY,
    "InvalidClientTokenId": Failure.BAD_KEY,
    "ExpiredTokenException": Failure.BAD_KEY,
    "SignatureDoesNotMatch": Failure.BAD_KEY,
    "AccessDenied": Failure.BAD_KEY,
    "AccessDeniedException": Failure.BAD_KEY,
    "ThrottlingException": Failure.RATE_LIMITED,
    "TextLengthExceededException": Failure.TOO_LONG,
    "EngineNotSupportedException": Failure.UNKNOWN_VOICE,
    "ValidationException": Failure.UNKNOWN_VOICE,
    "InvalidSampleRateException": Failure.BAD_REQUEST,
    "InvalidSsmlException": Failure.BAD_REQUEST,
    "ServiceFailureException": Failure.DOWN,
}


class Polly(Remote):
    """The adapter of Amazon Polly; its key is `access key id:secret access key`."""

    slug = "polly"
    name = "Amazon Polly"
    limit = Limit(_MAX_SPOKEN)
    word_timestamps: Literal["exact", "estimated"] = "exact"
    streaming = True
    regions = {region: f"https://polly.{region}.amazonaws.com" for region in _REGIONS}
    cost_multiplier = Decimal("2.25")
    max_concurrent_per_key = 8

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the limit of plain text, or of SSML, which other speeds need."""
        return self.limit if speed == 1 else _MARKED_UP

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says; no options."""
        self.validate(request)
        match = _VOICE.fullmatch(request.voice)
        if not match:
            raise ProviderError(Failure.UNKNOWN_VOICE)
        body = {"VoiceId": match[1], "Engine": match[2], **_text(request)}
        self._credentials(access)
        self._address(access)
        return Speech(Encoding("ogg", 0), self._parts(access, body, request.text))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the voices of the region, once for each engine within the price."""
        found = []
        query: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            url = f"{self._address(access)}/v1/voices?{urlencode(query)}"
            with self._call("GET", url, access) as answer:
                if answer.status != 200:
                    raise _error(answer)
                page = answer.json()
            for entry in list_at(page, "Voices"):
                found += _voice_infos(entry)
            token = text_at(page, "NextToken")
            if not token:
                break
            query = {"NextToken": token}
        return found

    def check(self, access: Access) -> KeyStatus:
        """Check the key by listing the voices of one language, which is free."""
        url = f"{self._address(access)}/v1/voices?LanguageCode=en-US"
        with self._call("GET", url, access) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            error = _error(answer)
            if "AccessDenied" in str(error):
                return KeyStatus.RESTRICTED
            raise error

    def _parts(
        self, access: Access, body: dict[str, str], text: str
    ) -> Generator[bytes | Word]:
        url = f"{self._address(access)}/v1/speech"
        wanted = {**body, "OutputFormat": "ogg_vorbis", "SampleRate": str(_RATE)}
        tail = b""
        with self._call("POST", url, access, wanted) as answer:
            if answer.status != 200:
                raise _error(answer)
            for part in audio_body(answer, "ogg"):
                tail = (tail + part)[-2 * _PAGE :]
                yield part
        if body["Engine"] not in _TIMED:
            return
        wanted = {**body, "OutputFormat": "json"}
        marks: list[object] = []
        try:
            with self._call(
                "POST", url, access, {**wanted, "SpeechMarkTypes": ["word"]}
            ) as answer:
                if answer.status == 200:
                    marks = [http.parse_json(line) for line in answer.lines() if line]
        except ProviderError:
            return  # keep the audio: it is paid for, and usable without word times
        timeline = Timeline(_RATE)
        seconds = _seconds(tail)
        timeline.add_words(_words(text, body["Text"], marks, seconds))
        yield from timeline.finish(seconds)

    def _call(  # type: ignore[no-untyped-def] # a context manager of http.Response
        self, method: str, url: str, access: Access, body: object = None
    ):
        data = b"" if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        sent = sign_headers(
            method,
            url,
            headers,
            data,
            credentials=self._credentials(access),
            region=access.region,
            service="polly",
            now=datetime.now(UTC),
        )
        limits = None if method == "POST" else http.QUICK
        return http.call(method, url, sent, data or None, limits=limits)

    def _address(self, access: Access) -> str:
        # The signature needs the region, even with another address.
        if access.region not in self.regions:
            raise ProviderError(Failure.BAD_REQUEST, "unknown region")
        return self.address(access)

    def _credentials(self, access: Access) -> Credentials:
        key = self.key(access)
        if not _KEY.fullmatch(key):
            raise ProviderError(Failure.BAD_KEY, "not `key id:secret`")
        return Credentials(*key.split(":"))


def _text(request: SpeechRequest) -> dict[str, str]:
    if request.speed == 1:
        return {"Text": request.text, "TextType": "text"}
    said = _marked_up(request.text, round(clamp_speed(request, 0.2, 2) * 100))
    return {"Text": said, "TextType": "ssml"}


def _marked_up(text: str, percent: int) -> str:
    return f"<speak><prosody rate='{percent}%'>{escaped(text)}</prosody></speak>"


def _weight(text: str) -> int:
    """Return how much of the limit a text uses, by its length or by its markup's."""
    in_all = len(_marked_up(text, 200))
    return max(len(text), math.ceil(in_all * _MAX_SPOKEN / _MAX_WITH_TAGS))


_MARKED_UP = Limit(_MAX_SPOKEN, weigh=_weight)


def _seconds(tail: bytes) -> float:
    """Return the seconds of an Ogg file, from its last page."""
    page = tail.rfind(b"OggS")
    return int.from_bytes(tail[page + 6 : page + 14], "little") / _RATE


def _words(text: str, sent: str, marks: list[object], seconds: float) -> list[Word]:
    """Return timed words from speech marks, whose offsets count bytes of `sent`."""
    timed = []
    content = sent.encode()
    for mark in marks:
        first, last = value_at(mark, "start"), value_at(mark, "end")
        moment, value = finite_number(value_at(mark, "time")), text_at(mark, "value")
        if value_at(mark, "type") != "word" or moment is None:
            continue
        if isinstance(first, int) and isinstance(last, int) and 0 <= first < last:
            start = len(content[:first].decode(errors="ignore"))
            end = start + len(content[first:last].decode(errors="ignore"))
            timed.append((start, end, moment / 1000, value))
    if sent != text:
        timed = _in_plain_text(text, timed)
    found = []
    for (start, end, since, _), (_, _, until, _) in pairwise(
        [*timed, (0, 0, seconds, "")]
    ):
        found.append(Word(since, until, start, end))
    return found


def _in_plain_text(
    text: str, timed: list[tuple[int, int, float, str]]
) -> list[tuple[int, int, float, str]]:
    """Return `timed` with offsets in the plain text instead of the SSML."""
    moved, place = [], 0
    for _, _, since, value in timed:
        start = text.find(value, place)
        if start >= 0:
            place = start + len(value)
            moved.append((start, place, since, value))
    return moved


def _error(answer: http.Response) -> ProviderError:
    code = answer.headers.get("x-amzn-ErrorType", "").partition(":")[0]
    body = answer.error()
    code = code or text_at(body, "__type").rpartition("#")[2]
    return provider_error(
        answer, _FAILURES.get(code, failure_for_status(answer.status)), code
    )


def _voice_infos(entry: object) -> list[VoiceInfo]:
    voice, language = text_at(entry, "Id"), text_at(entry, "LanguageCode")
    engines = list_at(entry, "SupportedEngines")
    name = text_at(entry, "Name") or voice
    return [
        VoiceInfo(
            f"{voice}-{engine}",
            name if engine == "neural" else f"{name} ({engine})",
            {"cmn-CN": "zh-CN", "arb": "ar"}.get(language, language),
            _GENDERS.get(text_at(entry, "Gender"), ""),
        )
        for engine in _LISTED
        if language and engine in engines and _VOICE.fullmatch(f"{voice}-{engine}")
    ]
