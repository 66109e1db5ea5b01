"""Measure splitting text and storing, joining and encoding audio on one core.

The audio is the built-in voice reading a chapter. Speeds are real time divided by CPU
time. Memory is the peak of a separate process that joins and encodes a scene.
"""

import io
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import lameenc
import numpy as np

from benchmarks import verdicts
from providers.contract.base import Access, Encoding, Limit, SpeechRequest
from providers.unicorn import Unicorn
from synthesis import audio
from synthesis.audio import Part, Samples
from synthesis.text import splitting

MEMORY_LIMIT = 16  # MB; the allowed growth for ten times the length
_SENTENCE = (
    "The echo comes back before you have turned around, and it says, as echoes do, the "
    "end of what you said. Nobody had told her; she found it out by calling. "
)
_CHAPTER = "\n\n".join([_SENTENCE * 4] * 4)
_RATE = 22_050
_BLOCK = 4_608


def main() -> None:
    """Print the speeds, sizes and peak memory."""
    sound = _speech()
    seconds = len(sound) / _RATE
    print(f"{seconds:.0f} s of speech at {_RATE} Hz")
    _splitting()
    _pieces(sound)
    _encoding(sound)
    _lame(sound)
    _memory(sound)


def _speech() -> Samples:
    speech = Unicorn().speak(SpeechRequest(_CHAPTER, "en-us"), Access())
    data = b"".join(part for part in speech.parts if isinstance(part, bytes))
    return np.frombuffer(data, np.dtype("<i2"))


def _splitting() -> None:
    book = (_CHAPTER + "\n\n") * (1_000_000 // len(_CHAPTER) + 1)
    for name, source in (("a book", book), ("one word", "x" * len(book))):
        for limit in (Limit(4_096), Limit(5_000, "bytes")):
            chunks, cpu = _timed(partial(splitting.split, source, limit))
            least = -(-limit.measure(source) // limit.amount)
            print(
                f"split {len(source):,} characters, {name}, at {limit.amount:,} "
                f"{limit.unit}: {cpu:.2f} s, {len(chunks)} chunks (at least {least})"
            )


def _pieces(sound: Samples) -> None:
    stored, cpu = _timed(partial(_store, sound))
    share = len(stored) / (2 * len(sound))
    print(f"store a piece as FLAC: {_speed(sound, cpu)}, {share:.0%} of its size")
    piece = partial(io.BytesIO, stored)
    joined = audio.join([Part(piece)], rate=_RATE)
    _, cpu = _timed(lambda: sum(map(len, joined.blocks())))
    print(f"decode and join it: {_speed(sound, cpu)}")


def _store(sound: Samples) -> bytes:
    target = io.BytesIO()
    data = sound.tobytes()
    # Parts of the size that the engine sends.
    parts = (data[place : place + 8_192] for place in range(0, len(data), 8_192))
    audio.store_piece(parts, Encoding("pcm", _RATE), target)
    return target.getvalue()


def _encoding(sound: Samples) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in audio.FORMATS.items():
            target = Path(folder) / name
            encode = partial(
                audio.encode, rate=_RATE, format=name, target=target, title="Echo"
            )
            _, cpu = _timed(lambda: encode(_blocks(sound)))  # noqa: B023
            rate = target.stat().st_size * 8 / (len(sound) / _RATE) / 1000
            length = ""
            if name != "pcm":
                error = _length_error(target, kind.container, len(sound) / _RATE)
                length = f"; length when played {error * 1000:+.1f} ms"
            print(f"encode {name}: {_speed(sound, cpu)}, {rate:.0f} kbit/s{length}")


def _lame(sound: Samples) -> None:
    """Compare LAME from its own package with FFmpeg's at the same settings."""
    for quality in (2, 5, 7):
        for name, encode in (
            ("lameenc", _encode_with_lameenc),
            ("FFmpeg", _encode_with_ffmpeg),
        ):
            size, cpu = _timed(partial(encode, sound, quality))
            print(
                f"LAME quality {quality} by {name}: {_speed(sound, cpu)}, {size:,} bytes"
            )


def _encode_with_lameenc(sound: Samples, quality: int) -> int:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(_RATE)
    encoder.set_bit_rate(64)
    encoder.set_quality(quality)
    size = sum(len(encoder.encode(block.tobytes())) for block in _blocks(sound))
    return size + len(encoder.flush())


def _encode_with_ffmpeg(sound: Samples, quality: int) -> int:
    target = io.BytesIO()
    with av.open(target, "w", format="mp3") as container:
        options = {"compression_level": str(quality)}
        stream: Any = container.add_stream("libmp3lame", rate=_RATE, options=options)
        stream.layout = "mono"
        stream.bit_rate = 64_000
        position = 0
        for block in _blocks(sound):
            frame = av.AudioFrame.from_ndarray(block[np.newaxis], "s16", "mono")
            frame.sample_rate, frame.time_base = _RATE, Fraction(1, _RATE)
            frame.pts = position
            position += len(block)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return len(target.getvalue())


def _memory(sound: Samples) -> None:
    stored = _store(sound)
    minutes = len(sound) / _RATE / 60
    spawn = multiprocessing.get_context("spawn")
    for name in ("mp3", "m4b"):
        peaks = {}
        for length in (3, 30):
            with spawn.Pool(1) as pool:
                parts = round(length / minutes)
                peaks[length] = pool.apply(_peak, (stored, parts, name))
        growth = peaks[30] - peaks[3]
        verdict = verdicts.judge(growth <= MEMORY_LIMIT, "TOO MUCH")
        print(
            f"join and encode {name}: peak memory {peaks[3]:.0f} MB for 3 minutes, "
            f"{peaks[30]:.0f} MB for 30; limit {MEMORY_LIMIT} MB more: {verdict}"
        )


def _peak(piece: bytes, parts: int, name: str) -> float:
    """Join and encode in this process; return the peak memory in MB."""
    joined = audio.join([Part(partial(io.BytesIO, piece), 300)] * parts, rate=_RATE)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        audio.encode(joined.blocks(), rate=_RATE, format=name, target=target)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _length_error(path: Path, container: str, seconds: float) -> float:
    with av.open(str(path), format="mov" if container == "ipod" else container) as file:
        track = file.streams.audio[0]
        decoded = sum(frame.samples for frame in file.decode(track)) / track.rate
        # A player stops at the end of the edit list.
        stated = float(file.duration or 0) / av.time_base
        return (stated if container == "ipod" else decoded) - seconds


def _blocks(sound: Samples) -> Iterator[Samples]:
    for place in range(0, len(sound), _BLOCK):
        yield sound[place : place + _BLOCK]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of `work`, and the CPU seconds of the faster of two runs."""
    fastest = float("inf")
    for _ in range(2):
        began = time.process_time()
        result = work()
        fastest = min(fastest, time.process_time() - began)
    return result, fastest


def _speed(sound: Samples, cpu: float) -> str:
    return f"{len(sound) / _RATE / cpu:,.0f} times real time"
