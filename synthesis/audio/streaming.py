"""Encode audio for streaming: bytes can be sent while samples still arrive."""

import io
from collections.abc import Mapping

from synthesis.audio import mp3
from synthesis.audio.decoding import Resampler, Samples
from synthesis.audio.encoding import UNKNOWN_LENGTH, AvEncoder, wav_header
from synthesis.audio.formats import FORMATS
from synthesis.audio.mp3 import Lame
from synthesis.audio.origin import Origin, wav_chunks

# Options of FFmpeg's muxers, so that each packet is written at once.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "opus": {"page_duration": "20000", "flush_packets": "1"},  # in microseconds
    "aac": {"flush_packets": "1"},
    "flac": {"flush_packets": "1"},
}
_BUFFER = 4096  # bytes


class StreamEncoder:
    """Encodes blocks to bytes that can be sent at once.

    Bytes are never rewritten. So headers state an unknown length, and MP3 has the padding
    of its encoder at both ends.
    """

    def __init__(
        self,
        format: str,  # noqa: A002
        rate: int,
        origin: Origin | None = None,
    ) -> None:
        """Raise ValueError for m4b, which needs its index in one place."""
        kind = FORMATS[format]
        own_rate = kind.rate_for(rate)
        self._resampler = Resampler(rate=rate, to=own_rate)
        self._sink = _Sink()
        self._lame: Lame | None = None
        self._av: AvEncoder | None = None
        if format == "mp3":
            self._lame = Lame(rate=own_rate, bit_rate=kind.bit_rate)
            self._sink.write(mp3.tag("", (), 0, origin))
        elif format in _OPTIONS:
            self._av = AvEncoder(
                self._sink,
                kind,
                rate=own_rate,
                options=_OPTIONS[format],
                origin=origin,
                buffer_size=_BUFFER,
            )
        elif format == "wav":
            chunks = wav_chunks(origin)
            self._sink.write(wav_header(own_rate, UNKNOWN_LENGTH, chunks))
        elif format != "pcm":
            raise ValueError(f"{format} can't be streamed")

    def feed(self, block: Samples) -> bytes:
        """Return the bytes that are ready after `block`, if any."""
        for part in self._resampler.feed(block):
            self._encode(part)
        return self._sink.take()

    def finish(self) -> bytes:
        """Return the last bytes."""
        for part in self._resampler.finish():
            self._encode(part)
        if self._lame is not None:
            self._sink.write(self._lame.finish())
        elif self._av is not None:
            with self._av:
                self._av.finish()
        return self._sink.take()

    def _encode(self, block: Samples) -> None:
        if self._av is not None:
            self._av.feed(block)
        elif self._lame is not None:
            self._sink.write(self._lame.feed(block))
        else:
            self._sink.write(block.astype("<i2", copy=False).tobytes())


class _Sink(io.RawIOBase):
    """A writable file that buffers bytes until `take`."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._parts.append(bytes(memoryview(data)))  # type: ignore[arg-type]
        return len(self._parts[-1])

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data
