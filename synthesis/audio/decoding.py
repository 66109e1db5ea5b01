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
_SLACK = 0.05  # seconds; an encoder's start is sometimes counted and sometimes not

# The names of FFmpeg's readers. Only these four ever see what a provider sent: nothing is
# guessed, so no other of its few hundred formats can be reached.
_DECODERS = ("mp3", "flac", "opus", "libopus", "vorbis", "pcm_")
_DEMUXERS = {b"fLaC": "flac", b"OggS": "ogg", b"RIFF": "wav", b"RF64": "wav"}


class BadAudio(Exception):
    """This is not audio, or not all of it. The text is for logs."""


class NoSpeech(BadAudio):
    """This is audio, but nobody can have said the text in it."""


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
    streams = container.streams.audio
    if streams and streams[0].codec_context.name.startswith(_DECODERS):
        return container
    container.close()
    raise BadAudio(f"no audio of a known kind in this {demuxer}")


def decoded(container: Any, *, rate: int) -> Iterator[Samples]:
    """Decode an open file's first track to mono at `rate` (Hz).

    Raises:
        BadAudio: it can't be decoded, or less of it than its headers promise.
    """
    track = container.streams.audio[0]
    resampler: av.AudioResampler | None = None
    form: tuple[int, str, str] | None = None
    seconds = 0.0
    for frame in _frames(container, track):
        seconds += frame.samples / frame.sample_rate
        present = (frame.sample_rate, frame.layout.name, frame.format.name)
        # It changes where a server joined MP3s of different kinds.
        if resampler is None or present != form:
            if resampler is not None:
                yield from _arrays(resampler.resample(None))
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            form = present
        yield from _arrays(resampler.resample(frame))
    if resampler is not None:
        yield from _arrays(resampler.resample(None))
    # What an MP3 promises may be the length of its first part alone; see `pieces`.
    if container.format.name in ("flac", "ogg") and track.duration is not None:
        promised = float(track.duration * track.time_base)
        if seconds < promised - _SLACK:
            raise BadAudio(f"{seconds:.2f} of {promised:.2f} s")


def _frames(container: Any, track: Any) -> Iterator[av.AudioFrame]:
    """Yield decoded frames.

    Servers join MP3s byte by byte, headers and tags included; a few frames in them that
    are no sound are passed over, as players do.
    """
    is_mp3 = container.format.name == "mp3"
    total = bad = 0
    try:
        for packet in container.demux(track):
            total += 1
            try:
                yield from packet.decode()
            except av.InvalidDataError:
                if not is_mp3:
                    raise
                bad += 1
    except (av.FFmpegError, ValueError) as error:
        raise BadAudio(f"damaged: {error}") from error
    if bad > max(1, total // 50):
        raise BadAudio(f"{bad} of {total} frames damaged")


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
