"""The engines of the built-in provider, and what each of them is.

A further engine is a module like `providers.unicorn.hibari`, with its program, and one line
in `_ENGINES`. Its voices come with it, and name it in the catalogue.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from providers.contract.base import VoiceInfo, Word
from providers.unicorn.script import Script


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """A built-in voice and its engine's settings for it."""

    info: VoiceInfo
    engine_id: str  # the engine's own name of the voice, or its file
    pitch: int = 50  # 0 to 99


class Engine(Protocol):
    """The interface of an engine; an instance is made in each process that speaks."""

    name: str  # of its socket, and in the catalogue
    sample_rate: int  # Hz
    is_neural: bool  # made by training, not by rules
    has_all_times: bool
    """Whether each word that it speaks has a time; others were not spoken.

    Otherwise the times are checked as those of a vendor are.
    """

    def is_installed(self) -> bool:
        """Return whether its packages exist on this machine."""
        ...

    def command(self) -> list[str]:
        """Return the command of its program; see `providers.unicorn.service`."""
        ...

    def voices(self) -> Mapping[str, EngineVoice]:
        """Return its voices by id."""
        ...

    def speak(
        self, script: Script, voice: EngineVoice, speed: float
    ) -> Generator[bytes | Word]:
        """Yield samples as they arrive, and words, with offsets in the original text.

        Samples are 16-bit, little-endian, mono. `speed` is from 0.25 to 4.

        Raises:
            ProviderError: the engine failed, crashed or didn't answer in time.
        """
        ...


_ENGINES = (
    "providers.unicorn.espeak.ESpeak",
    "providers.unicorn.hibari.Hibari",
)


@cache
def installed() -> tuple[Engine, ...]:
    """Return the engines that are installed here."""
    made = []
    for path in _ENGINES:
        module, _, name = path.rpartition(".")
        engine = cast(Engine, getattr(import_module(module), name)())
        if engine.is_installed():
            made.append(engine)
    return tuple(made)


def get_engine(name: str) -> Engine:
    """Return an installed engine by its name; KeyError if there is none."""
    return {engine.name: engine for engine in installed()}[name]
