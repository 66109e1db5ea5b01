"""Join pieces of audio as samples, with pauses and short fades between them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from synthesis.audio.decoding import Samples, read_samples

_FADE_MS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of audio to join."""

    open: Callable[[], BinaryIO]  # called when the part is needed; closed after it
    pause_ms: int = 0  # silence after it


class Joined:
    """Joined parts. `blocks` can be read once."""

    def __init__(self, parts: Iterable[Part], rate: int) -> None:
        self._parts = parts
        self.rate = rate
        self.starts: list[float] = []
        """The start of each part in seconds; complete after `blocks` is read.

        Counted in decoded samples, so that word times can be shifted exactly.
        """

    def blocks(self) -> Iterator[Samples]:
        """Yield the samples of all parts and of the pauses between them.

        Raises:
            BadAudio: a part can't be decoded.
        """
        position = 0
        for part in self._parts:
            self.starts.append(position / self.rate)
            with part.open() as source:
                for block in _faded(read_samples(source, rate=self.rate), self.rate):
                    position += len(block)
                    yield block
            pause = round(part.pause_ms * self.rate / 1000)
            if pause:
                position += pause
                yield np.zeros(pause, np.int16)


def join(parts: Iterable[Part], *, rate: int) -> Joined:
    """Return `parts` joined at `rate` (Hz), in constant memory."""
    return Joined(parts, rate)


def _faded(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Yield `blocks` with the first and last 4 ms faded, to avoid clicks at the cuts."""
    length = rate * _FADE_MS // 1000
    held = np.zeros(0, np.int16)  # the newest block, which may be the last
    is_first = True
    for block in blocks:
        if len(held) < 2 * length:
            held = np.concatenate((held, block))
            continue
        if is_first:
            held = np.concatenate((_fade(held[:length]), held[length:]))
            is_first = False
        if len(block) < length:
            held = np.concatenate((held, block))
            continue
        yield held
        held = block
    length = min(length, len(held) // 2 if is_first else len(held))
    middle = len(held) - length
    if is_first:
        held = np.concatenate((_fade(held[:length]), held[length:]))
    yield held[:middle]
    yield _fade(held[middle:][::-1])[::-1]


def _fade(samples: Samples) -> Samples:
    """Return `samples` with a linear fade-in."""
    steps = np.arange(1, len(samples) + 1, dtype=np.float32) / (len(samples) + 1)
    return (samples * steps).astype(np.int16)
