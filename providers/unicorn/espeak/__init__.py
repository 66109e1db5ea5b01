"""eSpeak NG as an engine: 130 languages, a thousand times faster than real time."""

import struct
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from providers.contract.base import Failure, ProviderError, Word
from providers.unicorn import levels
from providers.unicorn.client import synthesize
from providers.unicorn.engines import EngineVoice
from providers.unicorn.espeak.clauses import is_readable, mark_clauses
from providers.unicorn.espeak.timing import SAMPLE_RATE, EngineEvent, with_word_times
from providers.unicorn.espeak.voices import NAME, VOICES
from providers.unicorn.script import Script

WORDS_PER_MINUTE = 175  # the voices' normal speed
_LIBRARIES = {"darwin": "libespeak-ng.dylib", "win32": "espeak-ng.dll"}
_WORD = 1


class ESpeak:
    """The engine; its program forks for each task."""

    name = NAME
    sample_rate = SAMPLE_RATE
    is_neural = False
    has_all_times = True

    def is_installed(self) -> bool:
        """Return True: it has a wheel for every system that we support."""
        return True

    def command(self) -> list[str]:
        """Return the command of its program, isolated from our packages."""
        spec = find_spec("espeakng_loader")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        library = _LIBRARIES.get(sys.platform, "libespeak-ng.so")
        return [
            *(sys.executable, "-IS", str(Path(__file__).with_name("engine.py"))),
            *(str(package / library), str(package / "espeak-ng-data")),
        ]

    def voices(self) -> Mapping[str, EngineVoice]:
        """Return its voices by id."""
        return VOICES

    def speak(
        self, script: Script, voice: EngineVoice, speed: float
    ) -> Generator[bytes | Word]:
        """Yield samples and words, as `providers.unicorn.engines.Engine` says."""
        language = voice.info.language
        script = mark_clauses(script, language)
        if not is_readable(script, language):
            raise ProviderError(Failure.UNSPEAKABLE, "Chinese characters")
        request = {
            "text": script.text,
            "voice": voice.engine_id,
            "rate": round(WORDS_PER_MINUTE * speed),
            "pitch": voice.pitch,
        }
        with closing(synthesize(self.name, request)) as frames:
            gain = levels.gain(voice)
            for part in with_word_times(_parts(frames), script):
                yield levels.raised(part, gain) if isinstance(part, bytes) else part


def _parts(frames: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes | EngineEvent]:
    for kind, content in frames:
        if kind == b"A":
            yield content
        else:
            for what, place, sample in struct.iter_unpack("<BII", content):
                yield EngineEvent(what == _WORD, max(place - 1, 0), sample)
