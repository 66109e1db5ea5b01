"""Reading samples from audio files, block by block."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]
"""A block of mono audio."""

_BUFFER = 1 << 16  # bytes read at once

# The names of FFmpeg's readers. Only these four ever see what a provider sent: nothing is
# guessed, so no other of its few hundred formats can be reached.
_DEMUXERS = {b"fLaC": "flac", b"OggS": "ogg", b"RIFF": "wav", b"RF64": "wav"}


class BadAudio(Exception):
    """This is not audio, or not all of it. The text is for logs."""


def read_samples(source: BinaryIO, *, rate: int) -> Iterator[Samples]:
    """Decode a FLAC, MP3, Ogg or WAV file to mono at `rate` (Hz).

    The padding that encoders add at both ends is left out where the file tells its length.

    Raises:
        BadAudio: it can't be decoded.
    """
    magic = source.read(4)
    source.seek(0)
    with opened(source, _DEMUXERS.get(magic, "mp3")) as container:
        yield from decoded(container, rate=rate)


def opened(source: Any, demuxer: str) -> Any:
    """Open audio of a known format; `source` needs `read`, and `seek` if it has one.

    Raises:
        BadAudio: it is another format, or none.
    """
    try:
        container = av.open(source, "r", format=demuxer, buffer_size=_BUFFER)
    except (av.FFmpegError, ValueError) as error:
        raise BadAudio(f"not {demuxer}: {error}") from error
    if not container.streams.audio:
        container.close()
        raise BadAudio(f"no audio in this {demuxer}")
    return container


def decoded(container: Any, *, rate: int) -> Iterator[Samples]:
    """Decode an open file's first track to mono at `rate` (Hz).

    Raises:
        BadAudio: it can't be decoded.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    try:
        for frame in container.decode(container.streams.audio[0]):
            yield from _arrays(resampler.resample(frame))
        yield from _arrays(resampler.resample(None))
    except (av.FFmpegError, ValueError) as error:
        raise BadAudio(f"damaged: {error}") from error


class Resampler:
    """Changes the rate of a stream of blocks; what comes out is aligned with the source."""

    def __init__(self, *, rate: int, to: int) -> None:
        self._rate = rate
        self._position = 0
        self._swr = None
        if rate != to:
            self._swr = av.AudioResampler(format="s16", layout="mono", rate=to)

    def feed(self, block: Samples) -> list[Samples]:
        """Return what is ready after `block`."""
        if self._swr is None or not len(block):
            return [block]
        frame = frame_of(block, self._rate, self._position)
        self._position += len(block)
        return list(_arrays(self._swr.resample(frame)))

    def finish(self) -> list[Samples]:
        """Return the rest."""
        if self._swr is None or not self._position:
            return []
        return list(_arrays(self._swr.resample(None)))


def resampled(blocks: Iterable[Samples], *, rate: int, to: int) -> Iterator[Samples]:
    """Change the rate of `blocks` from `rate` to `to` (Hz)."""
    resampler = Resampler(rate=rate, to=to)
    for block in blocks:
        yield from resampler.feed(block)
    yield from resampler.finish()


def frame_of(block: Samples, rate: int, position: int) -> av.AudioFrame:
    """Return `block` as FFmpeg takes it; `position` counts the samples before it."""
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(block)[np.newaxis], format="s16", layout="mono"
    )
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = position
    return frame


def _arrays(frames: list[av.AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        yield frame.to_ndarray()[0]
