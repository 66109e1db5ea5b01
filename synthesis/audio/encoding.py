"""Encoding: samples in, a file out, once and in a stream."""

import io
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av

from synthesis.audio import mp3
from synthesis.audio.decoding import BadAudio, Samples, frame_of, resampled
from synthesis.audio.formats import FORMATS, ChapterMark, Format

UNKNOWN_LENGTH = 0xFFFFFFFF
"""What a WAV header says when nobody knows yet, or it is too much for 32 bits."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What went into a file; it plays for exactly as long."""

    samples: int  # at the rate that was given
    duration_ms: int


def encode(
    blocks: Iterable[Samples],
    *,
    rate: int,
    format: str,  # noqa: A002
    target: Path,
    title: str = "",
    chapters: Sequence[ChapterMark] = (),
) -> Encoded:
    """Encode `blocks` (at `rate` Hz) to a new file, in constant memory.

    `title` is kept by mp3, flac, opus and m4b, `chapters` by mp3 and m4b.

    Raises:
        BadAudio: there are no samples; or what yields `blocks` raised it.
    """
    kind = FORMATS[format]
    counted = _Counted(blocks)
    if format == "mp3":
        with target.open("w+b") as file:
            mp3.write(
                counted,
                rate=rate,
                format=kind,
                target=file,
                title=title,
                chapters=chapters,
            )
    elif format in ("wav", "pcm"):
        with target.open("w+b") as file:
            _write_raw(counted, rate, kind, file)
    else:
        encoder = AvEncoder(
            str(target), kind, rate=rate, options=_OPTIONS.get(format, {}), title=title
        )
        with encoder:
            for block in counted:
                encoder.feed(block)
            encoder.finish(_marks(chapters, counted.samples, rate))
    if not counted.samples:
        raise BadAudio("nothing to encode")
    return Encoded(counted.samples, round(counted.samples * 1000 / rate))


class AvEncoder:
    """An encoder and a file writer of FFmpeg.

    `target` is a path, or a file that it can seek in if the format wants that.
    """

    def __init__(
        self,
        target: str | BinaryIO | io.RawIOBase,
        format: Format,  # noqa: A002
        *,
        rate: int,
        options: Mapping[str, str],
        title: str = "",
        buffer_size: int = 1 << 16,
    ) -> None:
        self._rate = rate
        self._position = 0
        self._container = av.open(
            target,
            "w",
            format=format.container,
            # Nothing of the library's version goes into the file.
            container_options={"fflags": "+bitexact", **options},
            buffer_size=buffer_size,
        )
        stream: Any = self._container.add_stream(
            format.codec,
            rate=format.rate_for(rate),
            options=dict(format.codec_options),
        )
        stream.layout = "mono"
        if format.bit_rate:
            stream.bit_rate = format.bit_rate
        self._stream = stream
        if title:
            # Ogg keeps tags with the track, the others with the file.
            stream.metadata["title"] = title
            self._container.metadata["title"] = title
        if format.container == "ipod":
            self._container.metadata["genre"] = "Audiobook"
            self._container.metadata["media_type"] = "2"  # as iTunes tells books apart

    def __enter__(self) -> "AvEncoder":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._container.close()

    def feed(self, block: Samples) -> None:
        """Encode `block`; it is resampled if the format does not know its rate."""
        if len(block):
            frame = frame_of(block, self._rate, self._position)
            self._position += len(block)
            self._container.mux(self._stream.encode(frame))

    def finish(self, chapters: Sequence[Any] = ()) -> None:
        """Write what is left; the file is complete after `__exit__`."""
        if self._position:
            self._container.mux(self._stream.encode(None))
            if chapters:
                self._container.set_chapters(list(chapters))


# Options of FFmpeg's file writers, https://ffmpeg.org/ffmpeg-formats.html
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    # The index goes to the front, so that a player can start before it has the whole
    # file. Times are counted in 1/90,000 s: in thousandths, the end would be rounded.
    "m4b": {"movflags": "+faststart", "brand": "M4B ", "movie_timescale": "90000"},
}


def wav_header(rate: int, size: int) -> bytes:
    """Return the 44 bytes before `size` bytes of 16-bit mono samples."""
    if size > UNKNOWN_LENGTH - 36:
        size = UNKNOWN_LENGTH
    riff = min(size + 36, UNKNOWN_LENGTH)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
        *(b"data", size),
    )


def _write_raw(
    blocks: Iterable[Samples], rate: int, kind: Format, target: BinaryIO
) -> None:
    own_rate = kind.rate_for(rate)
    has_header = kind.container == "wav"
    if has_header:
        target.write(wav_header(own_rate, 0))
    size = 0
    for block in resampled(blocks, rate=rate, to=own_rate):
        size += target.write(block.astype("<i2", copy=False).tobytes())
    if has_header:
        target.seek(0)
        target.write(wav_header(own_rate, size))


def _marks(
    chapters: Sequence[ChapterMark], samples: int, rate: int
) -> list[dict[str, Any]]:
    """Return chapters as FFmpeg takes them."""
    starts = [min(round(chapter.start * rate), samples) for chapter in chapters]
    ends = [*starts[1:], samples][: len(starts)]
    return [
        {
            "id": number,
            "start": start,
            "end": end,
            "time_base": Fraction(1, rate),
            "metadata": {"title": chapter.title},
        }
        for number, (chapter, start, end) in enumerate(
            zip(chapters, starts, ends, strict=True)
        )
    ]


class _Counted:
    """Counts samples as they pass."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = blocks
        self.samples = 0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            self.samples += len(block)
            yield block
