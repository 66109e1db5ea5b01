"""`unicorn`, the built-in provider: eSpeak NG on this machine, offline and free.

It speaks some 130 languages about a thousand times faster than real time, and is exact
about its words. The engine runs in a process of its own (`engine.py` says why).
"""

from collections.abc import Generator, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Literal

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
from providers.contract.options import Option
from providers.unicorn.client import SAMPLE_RATE, EngineEvent, synthesize
from providers.unicorn.script import Script, make_script
from providers.unicorn.timing import with_word_times
from providers.unicorn.voices import VOICES

WORDS_PER_MINUTE = 175  # the voices' own pace
SPEEDS = (0.25, 4.0)


class Unicorn:
    """Real speech without a network."""

    slug = "unicorn"
    name = "Unicorn"
    # A call of this length takes a fifth of a second and makes three minutes of audio.
    limit = Limit(3_000)
    word_timestamps: Literal["exact", "estimated"] = "exact"
    streaming = True
    own_key = False
    is_local = True
    needs_key = False
    has_voice_table = True
    regions: Mapping[str, str] = {}
    options: Mapping[str, Option] = {}
    cost_multiplier = Decimal(1)
    max_concurrent_per_key: int | None = None

    def limit_for(self, voice: str, speed: float) -> Limit:
        """Return the limit of one call, the same for all."""
        return self.limit

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Speak as `providers.contract.base.Adapter` says.

        A text without any letter or digit is UNSPEAKABLE, and so is one of which the
        voice says no word aloud, as in a script that its language doesn't know.
        """
        voice = VOICES.get(request.voice)
        if voice is None:
            raise ProviderError(Failure.UNKNOWN_VOICE, request.voice)
        if self.limit.measure(request.text) > self.limit.amount:
            raise ProviderError(Failure.TOO_LONG, f"{len(request.text)} characters")
        if not SPEEDS[0] <= request.speed <= SPEEDS[1]:
            raise ProviderError(Failure.BAD_REQUEST, f"speed {request.speed}")
        if not any(map(str.isalnum, request.text)):
            raise ProviderError(Failure.UNSPEAKABLE, "no letters")
        script = make_script(request.text, voice.info.language)
        said = synthesize(
            script.text,
            voice.engine_id,
            rate=round(WORDS_PER_MINUTE * request.speed),
            pitch=voice.pitch,
        )
        return Speech(
            Encoding("pcm", SAMPLE_RATE),
            _audible(said, script),
        )

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return all voices; they are the same everywhere."""
        return [voice.info for voice in VOICES.values()]

    def check(self, access: Access) -> KeyStatus:
        """Say yes: it needs no key."""
        return KeyStatus.VALID


def _audible(
    said: Generator[bytes | EngineEvent], script: Script
) -> Generator[bytes | Word]:
    """Yield audio and words, holding back the silence before the first sound.

    Raises:
        ProviderError: there was no sound at all.
    """
    with closing(said):
        parts = with_word_times(said, script)
        held = []
        for part in parts:
            held.append(part)
            if isinstance(part, bytes) and any(part):
                break
        else:
            raise ProviderError(Failure.UNSPEAKABLE, "not a word in this language")
        yield from held
        yield from parts
