"""Joining pieces of audio, sample by sample."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from synthesis.audio.decoding import Samples, read_samples

_FADE_MS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a longer audio."""

    open: Callable[[], BinaryIO]  # each is opened when its turn comes, and closed
    pause_ms: int = 0  # the silence after it


class Joined:
    """Parts on their way to one audio; read the blocks once."""

    def __init__(self, parts: Iterable[Part], rate: int) -> None:
        self._parts = parts
        self.rate = rate
        self.starts: list[float] = []
        """Where each part starts, in seconds: complete when the blocks are read.

        Counted in decoded samples, so that word times can be moved by them exactly.
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
    """Join `parts` at `rate` (Hz), in constant memory whatever their number and length."""
    return Joined(parts, rate)


def _faded(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Fade the first and last 4 ms, so that no cut is heard as a click."""
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
    """Return `samples` rising from silence."""
    steps = np.arange(1, len(samples) + 1, dtype=np.float32) / (len(samples) + 1)
    return (samples * steps).astype(np.int16)
