"""`unicorn`, the built-in provider: speech made on this machine, offline and free.

Its engines speak English with a natural voice, and about 130 languages with simpler ones.
They run in processes of their own: `providers.unicorn.service`.
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
from providers.unicorn.engines import get_engine
from providers.unicorn.script import make_script
from providers.unicorn.voices import voices

SPEEDS = (0.25, 4.0)


class Unicorn:
    """The adapter of the built-in engines; it needs no network."""

    slug = "unicorn"
    name = "Unicorn"
    # A call of this length takes two seconds at most, and makes three minutes of audio.
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

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the limit of one call, the same for all voices and speeds."""
        return self.limit

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return nothing: there are no options, and each voice takes any speed."""
        return {}

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Synthesize a request, as `providers.contract.base.Adapter` says.

        A text without letters or digits is UNSPEAKABLE. So is a text of which the voice
        speaks no word, such as one in a script that its language doesn't use.
        """
        voice = voices().get(request.voice)
        if voice is None:
            raise ProviderError(Failure.UNKNOWN_VOICE, request.voice)
        if self.limit.measure(request.text) > self.limit.amount:
            raise ProviderError(Failure.TOO_LONG, f"{len(request.text)} characters")
        if not SPEEDS[0] <= request.speed <= SPEEDS[1]:
            raise ProviderError(Failure.BAD_REQUEST, f"speed {request.speed}")
        if not any(map(str.isalnum, request.text)):
            raise ProviderError(Failure.UNSPEAKABLE, "no letters")
        script = make_script(request.text, voice.info.language)
        engine = get_engine(voice.info.engine)
        return Speech(
            Encoding("pcm", engine.sample_rate),
            _audible(engine.speak(script, voice, request.speed)),
            has_all_times=engine.has_all_times,
        )

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return all built-in voices; `access` doesn't matter."""
        return [voice.info for voice in voices().values()]

    def check(self, access: Access) -> KeyStatus:
        """Return VALID: there is no key."""
        return KeyStatus.VALID


def _audible(parts: Generator[bytes | Word]) -> Generator[bytes | Word]:
    """Yield audio and words; wait for the first sound before yielding any silence.

    Raises:
        ProviderError: UNSPEAKABLE, there was no sound.
    """
    with closing(parts):
        held = []
        for part in parts:
            held.append(part)
            if isinstance(part, bytes) and any(part):
                break
        else:
            raise ProviderError(Failure.UNSPEAKABLE, "no word in this language")
        yield from held
        yield from parts
