"""Audio of imitated vendors: a tone of 20 ms for each character."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

from providers.contract.words import split

PER_CHARACTER = 0.02  # seconds


def samples(text: str, rate: int) -> bytes:
    """Return the 16-bit samples of a text's tones."""
    times = np.arange(round(len(text) * PER_CHARACTER * rate)) / rate
    return (8000 * np.sin(times * 440 * np.pi * 2)).astype("<i2").tobytes()


def wav(text: str, rate: int, *, size: int | None = None, tail: bytes = b"") -> bytes:
    """Return a WAV file; its header has `size`, if given, as in streams."""
    data = samples(text, rate)
    said = len(data) if size is None else size
    head = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    start = b"RIFF" + struct.pack("<I", min(said + 36, 0xFFFFFFFF)) + b"WAVE"
    body = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", said)
    return start + body + data + tail


def ogg(text: str, rate: int) -> bytes:
    """Return an Ogg Vorbis file."""
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("vorbis", rate=rate, options={"strict": "-2"})
        stream.layout = "stereo"  # the only rate of FFmpeg's own encoder
        mono = np.frombuffer(samples(text, rate), "<i2")
        for place in range(0, len(mono), 64):
            both = np.repeat(mono[place : place + 64], 2)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
            frame.sample_rate = rate
            frame.time_base = Fraction(1, rate)
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def words(text: str) -> list[tuple[str, float, float, int, int]]:
    """Return each word with start and end in seconds, and its offsets in the text."""
    return [
        (
            text[unit.word_start : unit.word_end],
            unit.word_start * PER_CHARACTER,
            unit.word_end * PER_CHARACTER,
            unit.word_start,
            unit.word_end,
        )
        for unit in split(text)
        if unit.has_letters
    ]
