"""Validate and store pieces: the audio of one provider call each.

Raw samples and WAV are stored as FLAC, without loss. Compressed audio is stored as it came.
It is decoded once to measure its length, since headers may be wrong.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from providers.contract.base import Encoding
from synthesis.audio import mp3
from synthesis.audio.decoding import BadAudio, NoSpeech, Samples, decoded, opened
from synthesis.audio.encoding import AvEncoder
from synthesis.audio.formats import FORMATS

LOUDNESS_MS = 10
_MAX_SECONDS = 4 * 3600  # seconds; no provider takes a text that long in one call
_ENDLESS_FACTOR = 2  # reading stops at this multiple of a text's maximum duration
_MAX_BYTES_PER_SECOND = 200_000  # of compressed audio; FLAC at 48 kHz has half
_RATES = range(8_000, 192_001)  # Hz
_SILENT = 16  # of 32,767; lower than the noise of any voice
_QUIET = 104  # of 32,767: -50 dB, perceived as a pause
# Voices say 10 to 20 letters per second at normal speed, the built-in one 70 at speed 4.
_MAX_LETTERS_PER_SECOND = 60
_MIN_LETTERS = 100  # shorter texts are not checked: they may be spoken faster
# Spoken slowly, "%" or the name of an emoji takes two seconds.
_MAX_SECONDS_PER_CHARACTER = 4.0
_BASE_SECONDS = 15.0  # allowed for any text, in addition
# From here on, sizes in WAV headers are placeholders of streams: 0xFFFFFFFF, 0x7FFFFFFF,
# 0x7FFFF000.
_PLACEHOLDER = 0x7FFF_0000
_SIZE_TOLERANCE = 256  # bytes; some servers count the header too
_OGG_PAGE = 27 + 255 + 255 * 255  # bytes at most
_HEAD = 1 << 16  # bytes; the first frame of an MP3 starts within them
_PADDING = 3 * 1152  # samples at both ends of an MP3, at most
_PAUSE_RATE = 24_000  # Hz
_SNIFFED = 256  # bytes
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_MAGIC = (b"RIFF", b"fLaC", b"OggS", b"ID3\x03", b"ID3\x04")


@dataclass(frozen=True, slots=True)
class PieceAudio:
    """The measured properties of a stored piece."""

    samples: int
    sample_rate: int  # Hz
    extension: str  # with its dot
    quiet_end_ms: int  # silence after the last sound
    loudness: NDArray[np.int16]  # the loudest sample in each LOUDNESS_MS


def store_piece(
    parts: Iterable[bytes],
    encoding: Encoding,
    target: BinaryIO,
    *,
    text: str = "",
    speed: float = 1.0,
) -> PieceAudio:
    """Validate the audio of `parts` and store it in `target`, an empty readable file.

    `text` was to be spoken at `speed`. Audio that is far too short or too long for it is
    refused, and reading stops at twice its maximum duration. Takes constant memory.

    Raises:
        BadAudio: it is no audio of that encoding, is incomplete, or does not end.
        NoSpeech: it is silent, or its duration is impossible for the text.
    """
    pieces = (part for part in parts if part)
    max_seconds = (
        min(_ENDLESS_FACTOR * _max_seconds(text, speed), _MAX_SECONDS)
        if text
        else _MAX_SECONDS
    )
    if encoding.name == "pcm":
        measured = _Measured(_pcm(pieces), encoding.sample_rate, max_seconds)
        extension = _write_flac(measured, target)
    elif encoding.name == "wav":
        stream = _Stream(pieces)
        with opened(stream, "wav") as container:
            rate = container.streams.audio[0].rate
            measured = _Measured(decoded(container, rate=rate), rate, max_seconds)
            extension = _write_flac(measured, target)
        stream.check_wav_size()
    else:
        size = 0
        for part in pieces:
            size += len(part)
            if size > max_seconds * _MAX_BYTES_PER_SECOND:
                raise BadAudio(f"it does not end: {size} bytes")
            target.write(part)
        target.seek(0)
        with opened(target, encoding.name) as container:
            rate = container.streams.audio[0].rate
            measured = _Measured(decoded(container, rate=rate), rate, max_seconds)
            for _ in measured:
                pass
        _check_end(target, encoding.name, measured)
        extension = f".{encoding.name}"
    measured.check(text, speed)
    return PieceAudio(
        measured.samples,
        measured.rate,
        extension,
        measured.quiet_end_ms,
        measured.loudness(),
    )


def store_silence(milliseconds: int, target: BinaryIO) -> PieceAudio:
    """Store a pause as a piece in `target`, an empty file."""
    samples = _PAUSE_RATE * milliseconds // 1000
    blocks = [np.zeros(samples, np.int16)]
    measured = _Measured(blocks, _PAUSE_RATE, _MAX_SECONDS)
    extension = _write_flac(measured, target)
    return PieceAudio(
        samples, _PAUSE_RATE, extension, milliseconds, measured.loudness()
    )


def _write_flac(measured: "_Measured", target: BinaryIO) -> str:
    kind = FORMATS["flac"]
    with AvEncoder(target, kind, rate=measured.rate, options={}) as encoder:
        for block in measured:
            encoder.feed(block)
        encoder.finish()
    return kind.extension


def _check_end(target: BinaryIO, name: str, measured: "_Measured") -> None:
    """Check that a compressed file is complete, which decoders don't.

    Raises:
        BadAudio: the file ends too early.
    """
    size = target.seek(0, 2)
    if name == "ogg":
        start = target.seek(max(0, size - _OGG_PAGE))
        tail = target.read()
        page = tail.rfind(b"OggS")
        segments = tail[page + 26 : page + 27]  # how many; then the length of each
        lengths = tail[page + 27 : page + 27 + sum(segments)]
        body = start + page + 27 + sum(segments)
        if not segments or body + sum(lengths) > size:
            raise BadAudio("cut within a page")
    elif name == "mp3":
        target.seek(0)
        promised = mp3.promised_samples(target.read(_HEAD))
        if measured.samples < 0.99 * promised - _PADDING:
            raise BadAudio(f"{measured.samples} of {promised} samples")


def _pcm(parts: Iterator[bytes]) -> Iterator[Samples]:
    """Yield blocks of 16-bit little-endian samples; parts may be cut anywhere.

    Raises:
        BadAudio: it is a file or a text, or ends in the middle of a sample.
    """
    head = b""
    for part in parts:
        head += part
        if len(head) >= _SNIFFED:
            break
    is_text = bool(head) and not head[:_SNIFFED].translate(None, _TEXT)
    if is_text or head.startswith(_MAGIC):
        raise BadAudio("a file or a text in place of samples")
    rest = b""
    for part in chain((head,), parts):
        data = rest + part
        whole = len(data) & ~1
        rest = data[whole:]
        yield np.frombuffer(data, np.dtype("<i2"), whole // 2)
    if rest:
        raise BadAudio("half a sample at the end")


class _Measured:
    """An iterator over blocks that measures their samples."""

    def __init__(
        self, blocks: Iterable[Samples], rate: int, max_seconds: float
    ) -> None:
        if rate not in _RATES:
            raise BadAudio(f"a rate of {rate} Hz")
        self.rate = rate
        self.samples = 0
        self._max_samples = max_seconds * rate
        self._blocks = blocks
        self._loudest = 0
        self._step = rate * LOUDNESS_MS // 1000
        self._steps: list[Samples] = []
        self._rest: Samples = np.zeros(0, np.int16)
        self._last_loud: tuple[int, Samples] = (0, np.zeros(0, np.int16))

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            if not len(block):
                continue
            loudest = max(int(block.max()), -int(block.min()))
            self._loudest = max(self._loudest, loudest)
            if loudest > _QUIET:
                self._last_loud = (self.samples, block)
            self.samples += len(block)
            self._measure(block)
            if self.samples > self._max_samples:
                raise BadAudio("it does not end")
            yield block

    def loudness(self) -> Samples:
        """Return the loudest sample in each `LOUDNESS_MS`; the last may be shorter."""
        rest = [_loudest(self._rest[np.newaxis])] if len(self._rest) else []
        return np.concatenate([*self._steps, *rest, np.zeros(0, np.int16)])

    def _measure(self, block: Samples) -> None:
        joined = np.concatenate([self._rest, block])
        whole = len(joined) // self._step * self._step
        if whole:
            self._steps.append(_loudest(joined[:whole].reshape(-1, self._step)))
        self._rest = joined[whole:].copy()

    @property
    def quiet_end_ms(self) -> int:
        """The length of the silence after the last sound in milliseconds."""
        place, block = self._last_loud
        loud = np.flatnonzero((block > _QUIET) | (block < -_QUIET))
        end = place + int(loud[-1]) + 1 if len(loud) else 0
        return (self.samples - end) * 1000 // self.rate

    def check(self, text: str, speed: float) -> None:
        """Raise unless the measured audio can be speech of `text` at `speed`.

        Raises:
            BadAudio: there are no samples.
            NoSpeech: it is silent, too short or too long.
        """
        if not self.samples:
            raise BadAudio("no samples")
        if self._loudest < _SILENT:
            raise NoSpeech("nothing but silence")
        seconds = self.samples / self.rate
        letters = sum(map(str.isalnum, text))
        # Vendors that don't support a low speed use the lowest that they have.
        if (
            letters > _MIN_LETTERS
            and letters > _MAX_LETTERS_PER_SECOND * max(1.0, speed) * seconds
        ):
            raise NoSpeech(f"{seconds:.1f} s for {letters} letters")
        if text and seconds > _max_seconds(text, speed):
            raise NoSpeech(f"{seconds:.1f} s for {len(text)} characters")


def _max_seconds(text: str, speed: float) -> float:
    """Return the maximum duration of a text in seconds."""
    return _BASE_SECONDS + _MAX_SECONDS_PER_CHARACTER * len(text) / min(1.0, speed)


def _loudest(steps: Samples) -> Samples:
    # -32,768 has no positive counterpart in 16 bits.
    loudest: Samples = np.maximum(
        steps.max(axis=1), -np.maximum(steps.min(axis=1), -32767)
    )
    return loudest


class _Stream:
    """A non-seekable file that reads from `parts`."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""
        self._head = b""
        self._size = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        if not self._rest:
            self._rest = next(self._parts, b"")
            self._size += len(self._rest)
            if len(self._head) < 4096:
                self._head += self._rest[:4096]
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def check_wav_size(self) -> None:
        """Compare the size in the header with the number of bytes read.

        Raises:
            BadAudio: the header has a real size, and there are fewer bytes.
        """
        place = 12
        while place + 8 <= len(self._head):
            name = self._head[place : place + 4]
            size = int.from_bytes(self._head[place + 4 : place + 8], "little")
            place += 8
            if name == b"data":
                missing = place + size - self._size
                if size < _PLACEHOLDER and missing > _SIZE_TOLERANCE:
                    raise BadAudio(f"{missing} of {size} bytes are missing")
                return
            place += size + size % 2
