"""The contract between Ozvena and a speech provider.

A provider is one file with one stateless class that follows `Adapter`, one line in
`providers.contract.registry` and one row in the catalogue. It turns a `SpeechRequest` into
`Speech` and every failure of the vendor into a `ProviderError`. It knows no tenants, no
jobs and no prices, and never retries: rendering alone decides about that.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from providers.contract.options import Option


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a text one call takes."""

    amount: int
    unit: Literal["characters", "bytes"] = "characters"  # bytes: of its UTF-8 form
    # What a text counts for, where its markup counts, too. Never less for a longer one.
    weigh: Callable[[str], int] | None = None
    sentence: int | None = None  # characters, of the longest sentence in it

    def measure(self, text: str) -> int:
        """Return the length of `text` in this limit's unit."""
        if self.weigh is not None:
            return self.weigh(text)
        return len(text) if self.unit == "characters" else len(text.encode())


@dataclass(frozen=True, slots=True)
class Access:
    """With whose key, and where, a provider is called."""

    key: str = field(default="", repr=False)
    base_url: str = ""  # from operators alone, never from customers
    region: str = ""  # one of the adapter's `regions`
    # Of a `compatible` server, as operators entered it:
    model: str = ""
    has_captions: bool = False


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What one call shall speak."""

    text: str  # plain text, not empty, within the provider's limit
    voice: str  # the provider's own id
    speed: float = 1.0  # 0.25 to 4.0; 1.0 is the voice's own pace
    options: Mapping[str, object] = field(default_factory=dict)  # see `Adapter.options`


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the audio arrives. `pcm` is 16-bit signed little-endian, mono."""

    name: Literal["pcm", "mp3", "wav", "flac", "ogg"]
    sample_rate: int  # Hz; of `pcm`. The others say it in their own headers: 0


@dataclass(frozen=True, slots=True)
class Word:
    """When a word is heard, and where it stands in the text of the request."""

    start: float  # seconds from the start of the audio
    end: float
    char_start: int  # offset of its first code point
    char_end: int  # offset after its last one


@dataclass(frozen=True, slots=True)
class Speech:
    """Audio on its way. Iterate once: bytes are audio, in order; Words come when known.

    Iterating raises ProviderError; closing `parts` ends the call upstream.
    """

    encoding: Encoding
    parts: Generator[bytes | Word]


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """A voice as its provider describes it."""

    id: str  # the provider's own
    name: str
    language: str  # BCP 47, e.g. en-US
    gender: Literal["female", "male", "neutral", ""] = ""
    description: str = ""
    is_public: bool = True  # else it is of the account that the key belongs to


class KeyStatus(StrEnum):
    """What a provider says of a key that it does not refuse."""

    VALID = "valid"
    RESTRICTED = "restricted"  # it is good, and may do no more than speak
    UNKNOWN = "unknown"  # the provider won't tell; speaking will


class Failure(StrEnum):
    """What went wrong, in one vocabulary for all vendors."""

    BAD_KEY = "bad_key"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    BAD_REQUEST = "bad_request"
    UNKNOWN_VOICE = "unknown_voice"
    TOO_LONG = "too_long"
    UNSPEAKABLE = "unspeakable"  # nothing in the text that this voice can say
    BUSY = "busy"
    DOWN = "down"
    TIMEOUT = "timeout"
    # A connection that was kept from an earlier call ended before a byte of the answer:
    # most likely it had been idle for too long, but the text may have been heard.
    ABORTED = "aborted"
    BAD_AUDIO = "bad_audio"
    NO_SPEECH = "no_speech"  # audio in which nobody can have said the text
    # Said by us, never by an adapter: of what operators decide, and of a workspace's key.
    SWITCHED_OFF = "switched_off"
    OWN_KEY_REFUSED = "own_key_refused"
    OWN_KEY_MISSING = "own_key_missing"

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later."""
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


class ProviderError(Exception):
    """A provider failed. The text is for our logs, never for customers."""

    def __init__(
        self, kind: Failure, detail: str = "", *, retry_after: float | None = None
    ) -> None:
        self.kind = kind
        self.retry_after = retry_after  # seconds, as the vendor asked
        super().__init__(f"{kind}: {detail}" if detail else str(kind))


class Adapter(Protocol):
    """What every adapter offers."""

    slug: str  # in voice ids, settings and URLs
    name: str  # for people
    limit: Limit  # of one call; see `limit_for`
    word_timestamps: Literal["exact", "estimated"]
    streaming: bool  # whether bytes arrive before the whole audio is made
    own_key: bool  # whether customers may bring a key
    is_local: bool  # whether it works on this machine's processors
    needs_key: bool  # else an address is enough, if it is not local
    has_voice_table: bool  # whether listing its voices takes neither key nor call
    regions: Mapping[str, str]  # their addresses; the one named "" is the default
    options: Mapping[str, Option]  # that a request may have
    # What its row in the catalogue begins with; operators change it there.
    cost_multiplier: Decimal  # credits per character
    max_concurrent_per_key: int | None  # what the vendor lets one account do at once

    def limit_for(self, voice: str, speed: float) -> Limit:
        """Return the limit of one call for this voice at this pace."""
        ...

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Start speaking.

        Raises:
            ProviderError: at once, or while the answer's parts are read.
        """
        ...

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return every voice that `access` may use.

        Raises:
            ProviderError: the list can't be had now.
        """
        ...

    def check(self, access: Access) -> KeyStatus:
        """Ask for the cheapest thing there is, to see whether the key is good.

        Raises:
            ProviderError: BAD_KEY if it is not; else nothing can be said now.
        """
        ...
