"""A provider that a test controls: it returns a tone per character, or a failure.

It implements the adapter contract like any other, so all code above it is real.
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
keys_used: list[str] = []  # of the calls
contexts: list[tuple[str, str]] = []  # the text before and after that of each call
options_sent: list[dict[str, object]] = []  # with the calls
failures: list[ProviderError | BaseException] = []
fail_at: dict[int, ProviderError] = {}  # by the number of the call, from 1
gate = threading.Event()  # while cleared, speaking waits
gate.set()


def reset() -> None:
    """Forget calls and failures."""
    calls.clear()
    keys_used.clear()
    contexts.clear()
    options_sent.clear()
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

    def limit_for(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> Limit:
        """Return the same limit for all voices."""
        return self.limit

    def unsupported(
        self, voice: str, speed: float, options: Mapping[str, object]
    ) -> dict[str, str]:
        """Return nothing."""
        return {}

    def speak(self, request: SpeechRequest, access: Access) -> Speech:
        """Return a tone, or fail, as the test has configured."""
        calls.append(request.text)
        keys_used.append(access.key)
        contexts.append((request.before, request.after))
        options_sent.append(dict(request.options))
        gate.wait(20)
        if len(calls) in fail_at:
            raise fail_at[len(calls)]
        if failures:
            raise failures.pop(0)
        return Speech(Encoding("pcm", RATE), self._parts(request.text))

    def voices(self, access: Access) -> list[VoiceInfo]:
        """Return the provider's two voices."""
        return [
            VoiceInfo("one", "One", "en-US", "female"),
            VoiceInfo("two", "Two", "en-GB", "male"),
        ]

    def check(self, access: Access) -> KeyStatus:
        """Accept any key."""
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
