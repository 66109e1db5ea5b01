"""`unicorn`, the built-in provider: eSpeak NG on this machine, offline and free.

It speaks about 130 languages, about a thousand times faster than real time, with exact
word times. The engine runs in a separate process; `engine.py` says why.
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
from providers.unicorn.clauses import is_readable, mark_clauses
from providers.unicorn.client import SAMPLE_RATE, EngineEvent, synthesize
from providers.unicorn.script import Script, make_script
from providers.unicorn.timing import with_word_times
from providers.unicorn.voices import VOICES

WORDS_PER_MINUTE = 175  # the voices' normal speed
SPEEDS = (0.25, 4.0)


class Unicorn:
    """The adapter of the built-in engine; it needs no network."""

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
        """Return the limit of one call, the same for all voices and speeds."""
        return self.limit

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        A text without letters or digits is UNSPEAKABLE. So is a text of which the voice
        speaks no word, such as one in a script that its language doesn't use.
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
        language = voice.info.language
        script = mark_clauses(make_script(request.text, language), language)
        if not is_readable(script, language):
            raise ProviderError(Failure.UNSPEAKABLE, "Chinese characters")
        events = synthesize(
            script.text,
            voice.engine_id,
            rate=round(WORDS_PER_MINUTE * request.speed),
            pitch=voice.pitch,
        )
        return Speech(
            Encoding("pcm", SAMPLE_RATE),
            _audible(events, script),
        )

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return all built-in voices; `access` doesn't matter."""
        return [voice.info for voice in VOICES.values()]

    def check(self, access: Access) -> KeyStatus:
        """Return VALID: there is no key."""
        return KeyStatus.VALID


def _audible(
    events: Generator[bytes | EngineEvent], script: Script
) -> Generator[bytes | Word]:
    """Yield audio and words; wait for the first sound before yielding any silence.

    Raises:
        ProviderError: UNSPEAKABLE, there was no sound.
    """
    with closing(events):
        parts = with_word_times(events, script)
        held = []
        for part in parts:
            held.append(part)
            if isinstance(part, bytes) and any(part):
                break
        else:
            raise ProviderError(Failure.UNSPEAKABLE, "no word in this language")
        yield from held
        yield from parts
