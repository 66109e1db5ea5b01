"""Encode MP3 with LAME, and write the Info header and the ID3 tag that players need.

The LAME wheel is three times as fast as LAME in FFmpeg's wheel (`benchmarks/audio.py`), but
returns frames only. The Info header is a first frame without sound that says how many
samples are padding at both ends. Without it players play about 50 ms too much, and word
times would be wrong. Its layout: http://gabriel.mp3-tech.org/mp3infotag.html, and VbrTag.c
in LAME's source.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import lameenc

from synthesis.audio.decoding import Samples, resampled
from synthesis.audio.formats import ChapterMark, Format
from synthesis.audio.origin import Origin

# LAME's scale from 0 (best) to 9 (fastest).
_QUALITY = 5
# Some players only use the padding fields if they find the name of the encoder.
_NAME = b"LAME4.0".ljust(9)
# Samples of silence that LAME puts before the sound (ENCDELAY in its source).
_DELAY = 576

_BIT_RATES = {
    # kbit/s by their index in the frame header; MPEG-1 above 24 kHz, MPEG-2 below
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)  # halved in MPEG-2, halved again in MPEG-2.5


class Lame:
    """A LAME encoder with a constant bit rate: samples in, whole frames out."""

    def __init__(self, *, rate: int, bit_rate: int) -> None:
        encoder = lameenc.Encoder()
        encoder.silence()
        encoder.set_channels(1)
        encoder.set_in_sample_rate(rate)
        encoder.set_out_sample_rate(rate)
        encoder.set_bit_rate(bit_rate // 1000)
        encoder.set_quality(_QUALITY)
        self._encoder = encoder
        self._is_empty = True

    def feed(self, block: Samples) -> bytes:
        """Return the frames that are ready after `block`."""
        if not len(block):
            return b""
        self._is_empty = False
        return bytes(self._encoder.encode(block.tobytes()))

    def finish(self) -> bytes:
        """Return the last frames."""
        return b"" if self._is_empty else bytes(self._encoder.flush())


def write(
    blocks: Iterable[Samples],
    *,
    rate: int,
    format: Format,  # noqa: A002
    target: BinaryIO,
    title: str = "",
    chapters: Sequence[ChapterMark] = (),
    origin: Origin | None = None,
) -> int:
    """Encode `blocks` (at `rate` Hz) to the empty file `target`; return the sample count.

    The tag is ID3v2.3 with chapter frames (https://id3.org/id3v2-chapters-1.0).
    """
    frames = Frames(format.rate_for(rate), format.bit_rate)
    lame = Lame(rate=frames.rate, bit_rate=frames.bit_rate)
    # The end of the last chapter is not known yet, but does not change the tag's length.
    head = len(tag(title, chapters, 0, origin)) + frames.length
    target.write(bytes(head))
    samples = size = 0
    for block in resampled(blocks, rate=rate, to=frames.rate):
        samples += len(block)
        size += target.write(lame.feed(block))
    size += target.write(lame.finish())
    if not samples:
        return 0
    target.seek(0)
    target.write(tag(title, chapters, round(samples * 1000 / frames.rate), origin))
    target.write(frames.info(samples, size))
    target.seek(0, 2)
    return samples


@dataclass(frozen=True, slots=True)
class Frames:
    """The frame layout of a mono MP3 with a constant bit rate."""

    rate: int  # Hz
    bit_rate: int  # bits per second

    @property
    def samples(self) -> int:
        """The number of samples in a frame."""
        return 1152 if self._is_mpeg1 else 576

    @property
    def length(self) -> int:
        """The size of an unpadded frame in bytes."""
        return self.samples // 8 * self.bit_rate // self.rate

    @property
    def _is_mpeg1(self) -> bool:
        return self.rate >= 32_000

    def info(self, samples: int, size: int) -> bytes:
        """Return the Info frame of a file with `samples` in `size` bytes of frames."""
        # Padded frames keep the average size, so the size gives the number of frames.
        count = round(size * self.rate * 8 / (self.samples * self.bit_rate))
        padding = count * self.samples - _DELAY - samples
        frame = self._header() + bytes(17 if self._is_mpeg1 else 9)
        frame += b"Info" + struct.pack(">III", 0b1111, count, size + self.length)
        frame += bytes(256 * step // 100 for step in range(100))  # the seek table
        frame += struct.pack(">I", 100 - 10 * _QUALITY)
        frame += _NAME + bytes([0x01, 0])  # constant bit rate; low-pass unknown
        frame += bytes(8)  # loudness: not measured
        frame += bytes([0, min(255, self.bit_rate // 1000)])
        frame += (_DELAY << 12 | padding).to_bytes(3, "big")
        frame += bytes(4) + struct.pack(">I", size + self.length)
        frame += bytes(2)  # a checksum of all frames, which players ignore
        frame += struct.pack(">H", _crc16(frame))
        return frame.ljust(self.length, b"\0")

    def _header(self) -> bytes:
        """Return the header of a frame (4 bytes): layer III, mono, no checksum."""
        halvings = 0 if self._is_mpeg1 else 1 if self.rate >= 16_000 else 2
        version = (0b11, 0b10, 0b00)[halvings]
        bit_rate = _BIT_RATES[self._is_mpeg1].index(self.bit_rate // 1000)
        rate = _RATES.index(self.rate << halvings)
        return bytes(
            [0xFF, 0xE0 | version << 3 | 0b011, bit_rate << 4 | rate << 2, 0b11 << 6]
        )


def promised_samples(head: bytes) -> int:
    """Return the number of samples that an MP3's Info header states; 0 without one."""
    place = 0
    if head.startswith(b"ID3"):
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        place = 10 + size
    first = head[place : place + 64]
    mark = max(first.find(b"Info"), first.find(b"Xing"))
    if mark < 0 or len(first) < mark + 12 or not first[mark + 7] & 1:
        return 0
    count = int.from_bytes(first[mark + 8 : mark + 12], "big")
    is_mpeg1 = first[1] >> 3 & 0b11 == 0b11
    return count * (1152 if is_mpeg1 else 576)


def _crc16(data: bytes) -> int:
    """Return the CRC-16 with the polynomial 0x8005, bits reflected, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def tag(
    title: str,
    chapters: Sequence[ChapterMark],
    end_ms: int,
    origin: Origin | None = None,
) -> bytes:
    """Return an ID3v2.3 tag with title, origin and chapters; empty if there are none."""
    frames = _text("TIT2", title) if title else b""
    if origin is not None:
        for name, value in origin.tags().items():
            frames += _frame("TXXX", f"\0{name}\0{value}".encode("latin-1", "replace"))
        frames += _frame("PRIV", b"XMP\0" + origin.xmp())
    starts = [round(chapter.start * 1000) for chapter in chapters]
    ids = [f"c{number}".encode() for number in range(len(chapters))]
    ends = [*starts[1:], end_ms] if starts else []
    frames += _contents(ids)
    for element, chapter, start, end in zip(ids, chapters, starts, ends, strict=True):
        # Without byte offsets, since players use times.
        place = struct.pack(">IIII", start, max(start, end), 0xFFFFFFFF, 0xFFFFFFFF)
        frames += _frame("CHAP", element + b"\0" + place + _text("TIT2", chapter.title))
    if not frames:
        return b""
    size = len(frames)
    syncsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + syncsafe + frames


def _contents(ids: list[bytes]) -> bytes:
    """Return the table of contents, in nested lists of at most 255 entries."""
    groups = [ids[first : first + 255] for first in range(0, len(ids), 255)]
    if not groups:
        return b""
    if len(groups) == 1:
        return _list(b"toc", ids, is_top=True)
    names = [f"toc{number}".encode() for number in range(len(groups))]
    return _list(b"toc", names, is_top=True) + b"".join(
        _list(name, group, is_top=False)
        for name, group in zip(names, groups, strict=True)
    )


def _list(element: bytes, children: list[bytes], *, is_top: bool) -> bytes:
    flags = 0b11 if is_top else 0b01  # top level; ordered
    body = element + b"\0" + bytes([flags, len(children)])
    return _frame("CTOC", body + b"".join(child + b"\0" for child in children))


def _text(name: str, value: str) -> bytes:
    return _frame(name, b"\x01" + value.replace("\0", "").encode("utf-16"))


def _frame(name: str, body: bytes) -> bytes:
    return name.encode() + struct.pack(">IH", len(body), 0) + body
