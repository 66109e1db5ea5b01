"""Encode a stream of samples to a file."""

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
from synthesis.audio.origin import Origin, mp4_box, wav_chunks

UNKNOWN_LENGTH = 0xFFFFFFFF
"""The size in a WAV header if it is unknown or exceeds 32 bits."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The length of an encoded file, exact to the sample."""

    samples: int  # at the input's rate
    duration_ms: int


def encode(
    blocks: Iterable[Samples],
    *,
    rate: int,
    format: str,  # noqa: A002
    target: Path,
    title: str = "",
    chapters: Sequence[ChapterMark] = (),
    origin: Origin | None = None,
) -> Encoded:
    """Encode `blocks` (at `rate` Hz) to the new file `target`, in constant memory.

    mp3, flac, opus and m4b store `title`; mp3 and m4b store `chapters`; all but aac and pcm
    store `origin`.

    Raises:
        BadAudio: there are no samples, or the iterator of `blocks` raised it.
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
                origin=origin,
            )
    elif format in ("wav", "pcm"):
        with target.open("w+b") as file:
            _write_raw(counted, rate, kind, file, origin)
    else:
        encoder = AvEncoder(
            str(target),
            kind,
            rate=rate,
            options=_OPTIONS.get(format, {}),
            title=title,
            origin=origin,
        )
        with encoder:
            for block in counted:
                encoder.feed(block)
            encoder.finish(_marks(chapters, counted.samples, rate))
        if format == "m4b" and origin is not None:
            with target.open("ab") as file:
                file.write(mp4_box(origin))
    if not counted.samples:
        raise BadAudio("nothing to encode")
    return Encoded(counted.samples, round(counted.samples * 1000 / rate))


class AvEncoder:
    """An encoder and a muxer of FFmpeg.

    `target` is a path or a writable file, which must be seekable for some formats.
    """

    def __init__(
        self,
        target: str | BinaryIO | io.RawIOBase,
        format: Format,  # noqa: A002
        *,
        rate: int,
        options: Mapping[str, str],
        title: str = "",
        origin: Origin | None = None,
        buffer_size: int = 1 << 16,
    ) -> None:
        self._rate = rate
        self._position = 0
        self._container = av.open(
            target,
            "w",
            format=format.container,
            # Keeps the library's version out of the file.
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
        tags = {"title": title} if title else {}
        if origin is not None:
            tags |= origin.tags() | {"comment": origin.comment()}
        # Ogg stores tags in the track, other formats in the container. MP4 takes only
        # names that it knows.
        stream.metadata.update(tags)
        self._container.metadata.update(tags)
        if format.container == "ipod":
            self._container.metadata["genre"] = "Audiobook"
            self._container.metadata["media_type"] = "2"  # audiobook, as in iTunes

    def __enter__(self) -> "AvEncoder":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._container.close()

    def feed(self, block: Samples) -> None:
        """Encode `block`; it is resampled if the format doesn't support its rate."""
        if len(block):
            frame = frame_of(block, self._rate, self._position)
            self._position += len(block)
            self._container.mux(self._stream.encode(frame))

    def finish(self, chapters: Sequence[Any] = ()) -> None:
        """Write the remaining data; the file is complete after `__exit__`."""
        if self._position:
            self._container.mux(self._stream.encode(None))
            if chapters:
                self._container.set_chapters(list(chapters))


# Options of FFmpeg's muxers, https://ffmpeg.org/ffmpeg-formats.html
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    # The index is at the front, so that players can start before the download ends. Times
    # are in units of 1/90,000 s: in milliseconds the length would be rounded.
    "m4b": {"movflags": "+faststart", "brand": "M4B ", "movie_timescale": "90000"},
}


def wav_header(rate: int, size: int, chunks: bytes = b"") -> bytes:
    """Return the WAV header for `size` bytes of 16-bit mono samples.

    It has 44 bytes, and `chunks` before the samples.
    """
    if size > UNKNOWN_LENGTH - 36 - len(chunks):
        size = UNKNOWN_LENGTH
    riff = min(size + 36 + len(chunks), UNKNOWN_LENGTH)
    header = struct.pack(
        "<4sI4s4sIHHIIHH",
        *(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
    )
    return header + chunks + struct.pack("<4sI", b"data", size)


def _write_raw(
    blocks: Iterable[Samples],
    rate: int,
    kind: Format,
    target: BinaryIO,
    origin: Origin | None,
) -> None:
    own_rate = kind.rate_for(rate)
    has_header = kind.container == "wav"
    chunks = wav_chunks(origin)
    if has_header:
        target.write(wav_header(own_rate, 0, chunks))
    size = 0
    for block in resampled(blocks, rate=rate, to=own_rate):
        size += target.write(block.astype("<i2", copy=False).tobytes())
    if has_header:
        target.seek(0)
        target.write(wav_header(own_rate, size, chunks))


def _marks(
    chapters: Sequence[ChapterMark], samples: int, rate: int
) -> list[dict[str, Any]]:
    """Return chapters in the format of FFmpeg."""
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
    """An iterator over blocks that counts their samples."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = blocks
        self.samples = 0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            self.samples += len(block)
            yield block
