"""Decode audio files to samples, block by block, and resample them."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]
"""A block of mono audio."""

_BUFFER = 1 << 16  # bytes read at once
_SLACK = 0.05  # seconds; some lengths include the encoder's padding and some don't

# FFmpeg's demuxers. Only these four get data from providers: the format is never guessed,
# so the code of its several hundred other formats can't be reached.
_DECODERS = ("mp3", "flac", "opus", "libopus", "vorbis", "pcm_")
_DEMUXERS = {b"fLaC": "flac", b"OggS": "ogg", b"RIFF": "wav", b"RF64": "wav"}


class BadAudio(Exception):
    """The data is no audio, or incomplete audio. The message is for logs."""


class NoSpeech(BadAudio):
    """The data is audio, but can't be speech of the text."""


def read_samples(source: BinaryIO, *, rate: int) -> Iterator[Samples]:
    """Yield the samples of a FLAC, MP3, Ogg or WAV file, as mono at `rate` (Hz).

    The padding that encoders add at both ends is removed if the file states its length.

    Raises:
        BadAudio: it can't be decoded.
    """
    magic = source.read(4)
    source.seek(0)
    with opened(source, _DEMUXERS.get(magic, "mp3")) as container:
        yield from decoded(container, rate=rate)


def opened(source: Any, demuxer: str) -> Any:
    """Return an open FFmpeg container for `source`, which is a path or a readable file.

    Raises:
        BadAudio: the data is not in the format of `demuxer`.
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
    """Yield the samples of an open file's first track, as mono at `rate` (Hz).

    Raises:
        BadAudio: it can't be decoded, or is shorter than its headers say.
    """
    track = container.streams.audio[0]
    resampler: av.AudioResampler | None = None
    form: tuple[int, str, str] | None = None
    seconds = 0.0
    for frame in _frames(container, track):
        seconds += frame.samples / frame.sample_rate
        present = (frame.sample_rate, frame.layout.name, frame.format.name)
        # The format changes within a file if a server joined different MP3s.
        if resampler is None or present != form:
            if resampler is not None:
                yield from _arrays(resampler.resample(None))
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            form = present
        yield from _arrays(resampler.resample(frame))
    if resampler is not None:
        yield from _arrays(resampler.resample(None))
    # The length in an MP3 may be that of its first part only; see `pieces`.
    if container.format.name in ("flac", "ogg") and track.duration is not None:
        promised = float(track.duration * track.time_base)
        if seconds < promised - _SLACK:
            raise BadAudio(f"{seconds:.2f} of {promised:.2f} s")


def _frames(container: Any, track: Any) -> Iterator[av.AudioFrame]:
    """Yield the decoded frames of a track.

    Servers join MP3s byte by byte, including headers and tags. So a few invalid frames in
    an MP3 are skipped, as players do.
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
    """Changes the sample rate of a stream of blocks, without a delay in the output."""

    def __init__(self, *, rate: int, to: int) -> None:
        self._rate = rate
        self._position = 0
        self._swr = None
        if rate != to:
            self._swr = av.AudioResampler(format="s16", layout="mono", rate=to)

    def feed(self, block: Samples) -> list[Samples]:
        """Return the blocks that are ready after `block`."""
        if self._swr is None or not len(block):
            return [block]
        frame = frame_of(block, self._rate, self._position)
        self._position += len(block)
        return list(_arrays(self._swr.resample(frame)))

    def finish(self) -> list[Samples]:
        """Return the remaining blocks."""
        if self._swr is None or not self._position:
            return []
        return list(_arrays(self._swr.resample(None)))


def resampled(blocks: Iterable[Samples], *, rate: int, to: int) -> Iterator[Samples]:
    """Yield `blocks` resampled from `rate` to `to` (Hz)."""
    resampler = Resampler(rate=rate, to=to)
    for block in blocks:
        yield from resampler.feed(block)
    yield from resampler.finish()


def frame_of(block: Samples, rate: int, position: int) -> av.AudioFrame:
    """Return `block` as a frame for FFmpeg; `position` is the number of samples before."""
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
