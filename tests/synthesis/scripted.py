"""A provider that does what a test tells it: a tone per character, or a failure.

It follows the contract like any other, so everything above it is the real thing.
"""

import math
import threading
from array import array
from collections.abc import Generator, Mapping
from decimal import Decimal

from providers.contract.base import (
    Access,
    Encoding,
    KeyStatus,
    Limit,
    ProviderError,
    Speech,
    SpeechRequest,
    VoiceInfo,
    Word,
)
from providers.contract.options import Choice, Number, Option, Text
from providers.contract.words import split

RATE = 16_000  # Hz
PER_CHARACTER = RATE // 50  # samples: 20 ms

calls: list[str] = []
used: list[str] = []  # the keys that came with the calls
wishes: list[dict[str, object]] = []  # the options that came with them
failures: list[ProviderError | BaseException] = []
fail_at: dict[int, ProviderError] = {}  # by the number of the call, from 1
gate = threading.Event()  # while cleared, speaking waits
gate.set()


def reset() -> None:
    """Forget calls and failures."""
    calls.clear()
    used.clear()
    wishes.clear()
    failures.clear()
    fail_at.clear()
    gate.set()


class Scripted:
    """Speaks tones."""

    slug = "scripted"
    name = "Scripted"
    limit = Limit(60)
    word_timestamps = "exact"
    streaming = True
    own_key = False
    is_local = False
    needs_key = False
    has_voice_table = True
    regions: Mapping[str, str] = {"": "http://127.0.0.1"}
    options: Mapping[str, Option] = {
        "pitch": Number(-20, 20),
        "style": Choice(("calm", "merry")),
        "language": Text(2, "[a-z]{2}", "Two letters, such as en."),
    }
    cost_multiplier = Decimal(1)
    max_concurrent_per_key: int | None = None

    def limit_for(self, voice: str, speed: float) -> Limit:
        """Return the same for all."""
        return self.limit

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Speak as the test says."""
        calls.append(request.text)
        used.append(access.key)
        wishes.append(dict(request.options))
        gate.wait(20)
        if len(calls) in fail_at:
            raise fail_at[len(calls)]
        if failures:
            raise failures.pop(0)
        return Speech(Encoding("pcm", RATE), self._parts(request.text))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the two voices there are."""
        return [
            VoiceInfo("one", "One", "en-US", "female"),
            VoiceInfo("two", "Two", "en-GB", "male"),
        ]

    def check(self, access: Access) -> KeyStatus:
        """Say yes."""
        return KeyStatus.VALID

    def _parts(self, text: str) -> Generator[bytes | Word]:
        count = len(text) * PER_CHARACTER
        wave = (8_000 * math.sin(i * math.tau * 440 / RATE) for i in range(count))
        yield array("h", map(int, wave)).tobytes()
        for unit in split(text) if self.word_timestamps == "exact" else []:
            yield Word(
                unit.start * PER_CHARACTER / RATE,
                unit.end * PER_CHARACTER / RATE,
                unit.word_start,
                unit.word_end,
            )
