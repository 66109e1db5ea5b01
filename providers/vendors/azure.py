"""Azure AI Speech: SSML to `POST /cognitiveservices/v1`.

Sources: azure-ai-docs, rest-text-to-speech (2025-10), quotas (2026-01-30) and rest-auth
(2026-05), read 2026-11-20; regions from regions.md (2025-11). Traps: a wrong region gives
401, like a wrong key; audio beyond 10 minutes is cut off without an error; errors often
have no body; 429 mostly means no capacity for that voice in that region; a User-Agent is
required. This interface has no word times.
"""

import re
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
from providers.contract.failures import (
    error_from_response,
    list_at,
    provider_error,
    text_at,
    value_at,
)
from providers.contract.markup import escaped
from providers.contract.options import Option, Text
from providers.contract.remote import Remote, clamp_speed, text_option
from providers.contract.sound import audio_body

_RATE = 24_000  # Hz
_SLOWEST = 0.5
_FORMAT = "raw-24khz-16bit-mono-pcm"
_CUT_OFF = 600.0 - 1  # seconds; longer audio was cut off
_VOICE = re.compile(r"([a-z]{2,3}(?:-[A-Za-z0-9]+)+)-[A-Za-z0-9]+Neural")
_STYLE = re.compile(r"[a-z-]{1,40}")
_GENDERS: dict[object, Literal["female", "male", "neutral"]] = {
    "Female": "female",
    "Male": "male",
    "Neutral": "neutral",
}
_REGIONS = """
    australiaeast brazilsouth canadacentral canadaeast centralindia centralus eastasia
    eastus eastus2 francecentral germanywestcentral italynorth japaneast japanwest
    koreacentral northcentralus northeurope norwayeast qatarcentral southafricanorth
    southcentralus southeastasia swedencentral switzerlandnorth switzerlandwest uaenorth
    uksouth ukwest westcentralus westeurope westus westus2 westus3
""".split()


class Azure(Remote):
    """The adapter of Azure AI Speech: neural voices in about 140 languages."""

    slug = "azure"
    name = "Azure AI Speech"
    # Chinese reaches ten minutes at about 2,700 characters, at normal speed.
    limit = Limit(1_800)
    word_timestamps: Literal["exact", "estimated"] = "estimated"
    streaming = True
    regions = {
        region: f"https://{region}.tts.speech.microsoft.com" for region in _REGIONS
    }
    options: Mapping[str, Option] = {
        "style": Text(
            40, _STYLE.pattern, "Lower-case letters and hyphens, such as cheerful."
        )
    }
    cost_multiplier = Decimal("1.25")
    max_concurrent_per_key = 50

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return a lower limit for a low speed, at which less text fills ten minutes."""
        return Limit(int(self.limit.amount * min(1.0, max(speed, _SLOWEST))))

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        Option: `style`, such as `cheerful`, for voices that support it.
        """
        self.validate(request)
        match = _VOICE.fullmatch(request.voice)
        if not match:
            raise ProviderError(Failure.UNKNOWN_VOICE)
        style = text_option(request, "style", 40)
        if style and not _STYLE.fullmatch(style):
            raise ProviderError(Failure.BAD_REQUEST, "option style")
        said = escaped(request.text)
        if request.speed != 1:
            percent = round((clamp_speed(request, _SLOWEST, 2) - 1) * 100)
            said = f"<prosody rate='{percent:+d}%'>{said}</prosody>"
        if style:
            said = f"<mstts:express-as style='{style}'>{said}</mstts:express-as>"
        body = (
            "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis'"
            f" xmlns:mstts='https://www.w3.org/2001/mstts' xml:lang='{match[1]}'>"
            f"<voice name='{request.voice}'>{said}</voice></speak>"
        )
        headers = {
            "Content-Type": "application/ssml+xml",
            "X-Microsoft-OutputFormat": _FORMAT,
            **self._key(access),
        }
        url = f"{self.address(access)}/cognitiveservices/v1"
        return Speech(Encoding("pcm", _RATE), _parts(url, headers, body.encode()))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the neural voices of the region, without the more expensive HD voices."""
        with self._listing(access) as answer:
            if answer.status != 200:
                raise error_from_response(answer, _codes_in, {})
            entries = list_at(answer.json())
        return [info for entry in entries if (info := _voice_info(entry))]

    def check(self, access: Access) -> KeyStatus:
        """Check the key by requesting the list of voices, which is free."""
        with self._listing(access) as answer:
            if answer.status == 200:
                return KeyStatus.VALID
            raise error_from_response(answer, _codes_in, {})

    def _listing(self, access: Access) -> Any:
        url = f"{self.address(access)}/cognitiveservices/voices/list"
        return http.call("GET", url, self._key(access), limits=http.QUICK)

    def _key(self, access: Access) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": self.key(access)}


def _parts(url: str, headers: dict[str, str], body: bytes) -> Generator[bytes | Word]:
    with http.call("POST", url, headers, body) as answer:
        if answer.status != 200:
            raise _error(answer)
        size = 0
        for part in audio_body(answer, "pcm"):
            size += len(part)
            yield part
        if size / 2 / _RATE > _CUT_OFF:
            raise ProviderError(Failure.TOO_LONG, "cut off at ten minutes")


def _error(answer: http.Response) -> ProviderError:
    # Our requests are well formed, so 400 means an unknown voice.
    if answer.status == 400:
        return provider_error(answer, Failure.UNKNOWN_VOICE)
    if answer.status == 502:
        return provider_error(answer, Failure.DOWN)
    return error_from_response(answer, _codes_in, {})


def _codes_in(body: Any) -> list[object]:
    return [value_at(body, "error", "code")]


def _voice_info(entry: object) -> VoiceInfo | None:
    voice, locale = text_at(entry, "ShortName"), text_at(entry, "Locale")
    is_deprecated = value_at(entry, "Status") == "Deprecated"
    if not _VOICE.fullmatch(voice) or not locale or is_deprecated:
        return None
    styles = [str(style) for style in list_at(entry, "StyleList") if style]
    return VoiceInfo(
        voice,
        text_at(entry, "DisplayName") or voice,
        locale,
        _GENDERS.get(text_at(entry, "Gender"), ""),
        f"Styles: {', '.join(styles)}" if styles else "",
    )
