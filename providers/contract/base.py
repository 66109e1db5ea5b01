"""The contract between Ozvena and a speech provider.

A provider is one file with one stateless class that follows `Adapter`, one line in
`providers.contract.registry` and one row in the catalogue. It turns a `SpeechRequest` into
`Speech` and every failure of the vendor into a `ProviderError`. It knows no tenants, jobs
or prices, and never retries: only rendering decides about retries.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from providers.contract.options import Option


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text that one call accepts."""

    amount: int
    unit: Literal["characters", "bytes"] = "characters"  # bytes: of its UTF-8 form
    # Measures a text where markup counts too. A longer text never measures less.
    weigh: Callable[[str], int] | None = None
    sentence: int | None = None  # characters, of the longest sentence in it

    def measure(self, text: str) -> int:
        """Return the length of `text` in this limit's unit."""
        if self.weigh is not None:
            return self.weigh(text)
        return len(text) if self.unit == "characters" else len(text.encode())


CONTEXT = 300
"""The most characters of the text before, and after, the text of a request."""


@dataclass(frozen=True, slots=True)
class Access:
    """The key, address and region of calls to a provider."""

    key: str = field(default="", repr=False)
    base_url: str = ""  # set by operators only, never by customers
    region: str = ""  # one of the adapter's `regions`
    # For a `compatible` server, set by operators:
    model: str = ""
    has_captions: bool = False


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """The text, voice and options of one call."""

    text: str  # plain text, not empty, within the provider's limit
    voice: str  # the provider's own id
    speed: float = 1.0  # 0.25 to 4.0; 1.0 is the voice's normal speed
    options: Mapping[str, object] = field(default_factory=dict)  # see `Adapter.options`
    # The text around it that is spoken by other calls, for a voice that continues it:
    # at most `CONTEXT` characters, empty at the ends of a scene.
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The format of the audio. `pcm` is 16-bit signed little-endian, mono."""

    name: Literal["pcm", "mp3", "wav", "flac", "ogg"]
    sample_rate: int  # Hz, for `pcm`; 0 for the others, whose headers have it


@dataclass(frozen=True, slots=True)
class Word:
    """A word's time in the audio and its position in the text of the request."""

    start: float  # seconds from the start of the audio
    end: float
    char_start: int  # offset of its first code point
    char_end: int  # offset after its last one


@dataclass(frozen=True, slots=True)
class Speech:
    """Streamed audio and words; iterate once. Bytes are audio in order, Words are timed.

    Iterating may raise ProviderError. Closing `parts` ends the call to the vendor.
    """

    encoding: Encoding
    parts: Generator[bytes | Word]
    has_all_times: bool = False  # a word without a time was not spoken


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """A voice as its provider describes it."""

    id: str  # the provider's own id
    name: str
    language: str  # BCP 47, e.g. en-US
    gender: Literal["female", "male", "neutral", ""] = ""
    description: str = ""
    is_public: bool = True  # False: only the account of the key has it
    engine: str = ""  # which of the provider's engines speaks it, if it has several
    is_recommended: bool = False  # the voice for requests that name only its language
    aliases: tuple[str, ...] = ()  # names of other services that a new voice gets


class KeyStatus(StrEnum):
    """The result of checking a key that the provider does not reject."""

    VALID = "valid"
    RESTRICTED = "restricted"  # valid, for speech only
    UNKNOWN = "unknown"  # the provider doesn't say; the first call will show


class Failure(StrEnum):
    """The kinds of failure, the same for all vendors."""

    BAD_KEY = "bad_key"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    BAD_REQUEST = "bad_request"
    UNKNOWN_VOICE = "unknown_voice"
    TOO_LONG = "too_long"
    UNSPEAKABLE = "unspeakable"  # the text has nothing that this voice can say
    BUSY = "busy"
    DOWN = "down"
    TIMEOUT = "timeout"
    # A reused connection closed before the first byte of the response. Most likely it
    # had been idle for too long, but the vendor may have received the request.
    ABORTED = "aborted"
    BAD_AUDIO = "bad_audio"
    NO_SPEECH = "no_speech"  # the audio can't contain the text, by its length
    INCOMPLETE = "incomplete"  # some of the text is missing in it, also in smaller cuts
    # Raised by us, never by an adapter: operators disabled it, or an own key can't be used.
    SWITCHED_OFF = "switched_off"
    OWN_KEY_REFUSED = "own_key_refused"
    OWN_KEY_MISSING = "own_key_missing"
    OWN_KEY_SUSPENDED = "own_key_suspended"

    @property
    def is_retryable(self) -> bool:
        """Return whether the same call may succeed later."""
        return self in _RETRYABLE


_RETRYABLE = {
    Failure.RATE_LIMITED,
    Failure.BUSY,
    Failure.DOWN,
    Failure.TIMEOUT,
    Failure.ABORTED,
    Failure.BAD_AUDIO,
    Failure.NO_SPEECH,
}


_UNUSABLE = {Failure.BAD_AUDIO, Failure.NO_SPEECH}


class ProviderError(Exception):
    """A failure of a provider. The message is for our logs, never for customers."""

    def __init__(
        self,
        kind: Failure,
        detail: str = "",
        *,
        retry_after: float | None = None,
        is_unanswered: bool = False,
    ) -> None:
        self.kind = kind
        self.retry_after = retry_after  # seconds, as the vendor asked
        self.is_unanswered = is_unanswered  # the request was sent, the response is lost
        super().__init__(f"{kind}: {detail}" if detail else str(kind))

    @property
    def may_be_billed(self) -> bool:
        """Whether the vendor may have processed the text, and bill each further call."""
        return self.is_unanswered or self.kind in _UNUSABLE


class Adapter(Protocol):
    """The interface of every adapter."""

    slug: str  # used in voice ids, settings and URLs
    name: str  # shown to people
    limit: Limit  # of one call; see `limit_for`
    word_timestamps: Literal["exact", "estimated"]
    streaming: bool  # whether audio arrives while the rest is still being made
    own_key: bool  # whether customers may use their own key
    is_local: bool  # whether it runs on this machine
    needs_key: bool  # False: an address is enough, or nothing if it is local
    has_voice_table: bool  # whether its voices are listed without a key and a call
    regions: Mapping[str, str]  # base URL by region; "" is the default region
    options: Mapping[str, Option]  # the options that a request may have
    # Initial values of its row in the catalogue, where operators can change them:
    cost_multiplier: Decimal  # credits per character
    max_concurrent_per_key: int | None  # the vendor's limit of concurrent calls

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the limit of one call for this voice, at this speed, with `options`."""
        ...

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return what this voice or model doesn't take, and why not, for people.

        By the name of the option, or `speed`; empty if it takes all. Each option has a
        valid value. `speak` leaves out what it names.
        """
        ...

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Start to synthesize a request; return its audio and words as a stream.

        Raises:
            ProviderError: immediately, or while the parts are read.
        """
        ...

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return all voices that can be used with `access`.

        Raises:
            ProviderError: the list is unavailable now.
        """
        ...

    def check(self, access: Access) -> KeyStatus:
        """Check whether the key is valid, by the cheapest call that the vendor has.

        Raises:
            ProviderError: BAD_KEY if it is invalid; any other kind if that is unknown now.
        """
        ...
