"""Measure the natural voice: speed of the whole path, first bytes, memory.

The whole path is what a worker does with a piece: the engine, storing as FLAC, joining, and
encoding MP3. On two cores, two processes do it at once. Memory is that of the speech
service's own processes, and what this process grows by when it speaks. Figures by CPU time
are what idle cores would give: other programs take time from a clock.
"""

import io
import multiprocessing
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings

from benchmarks import verdicts
from benchmarks.cpu import TICK, family
from providers.contract.base import Access, SpeechRequest
from providers.unicorn import Unicorn
from synthesis import audio
from synthesis.audio import Part

ONE_CORE, TWO_CORES = 60, 1.6  # times real time; times as fast
MEMORY = 300  # MB of an engine's process
FIRST = 0.4  # seconds until the first sound of a sentence
_SENTENCE = "The echo comes back before you have turned around, as echoes always do. "
_PIECE = _SENTENCE * 40
_PIECES = 4


def main() -> None:
    """Print speeds, delays and memory."""
    assert settings.SPEECH_DIRECTORY  # every process of ours has loaded the settings
    before = _rss("self")
    _spoken(_SENTENCE)  # starts the service
    grown = _rss("self") - before
    alone = _timed(1)
    together = _timed(2)
    speed = alone.audio / alone.cpu
    print(
        f"heart, engine to MP3: {speed:.0f} times real time by CPU time, "
        f"{alone.audio / alone.clock:.0f} by the clock; "
        f"limit {ONE_CORE} by CPU time: {verdicts.judge(speed >= ONE_CORE)}"
    )
    # On two idle cores, the busier process is the one that is waited for.
    share = max(together.engines) / sum(together.engines)
    gain = 2 * alone.cpu / (together.cpu * share)
    print(
        f"two at once: {gain:.2f} times as fast by CPU time, "
        f"{2 * alone.clock / together.clock:.2f} by the clock, at a load of "
        f"{os.getloadavg()[0]:.1f}; the busier process did {share:.0%}; "
        f"limit {TWO_CORES} by CPU time: {verdicts.judge(gain >= TWO_CORES)}"
    )
    first = statistics.median(_first_sound() for _ in range(20))
    print(
        f"first sound of a sentence: {first * 1000:.0f} ms; limit {FIRST * 1000:.0f} ms: "
        f"{verdicts.judge(first <= FIRST)}"
    )
    sizes = [_peak(pid) for pid in _engines()]
    print(
        f"processes of the engine, at most: {', '.join(f'{s:.0f} MB' for s in sizes)}; "
        f"limit {MEMORY} MB: {verdicts.judge(max(sizes) <= MEMORY, 'TOO MUCH')}"
    )
    print(f"a process that speaks grows by {grown:.0f} MB at its first sentence")


def _spoken(text: str) -> tuple[bytes, float]:
    """Return `text` as a stored piece, and its length in seconds."""
    speech = Unicorn().speak(SpeechRequest(text, "heart"), Access())
    target = io.BytesIO()
    sound = (part for part in speech.parts if isinstance(part, bytes))
    stored = audio.store_piece(sound, speech.encoding, target)
    return target.getvalue(), stored.samples / stored.sample_rate


def _work(_: int) -> float:
    seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for _number in range(_PIECES):
            piece, length = _spoken(_PIECE)
            seconds += length
            joined = audio.join([Part(partial(io.BytesIO, piece))], rate=24_000)
            audio.encode(
                joined.blocks(),
                rate=24_000,
                format="mp3",
                target=Path(folder) / "scene.mp3",
            )
    return seconds


@dataclass(frozen=True, slots=True)
class _Run:
    """What some processes needed that worked at once, in seconds."""

    clock: float
    cpu: float  # of all processes, the engine's too
    engines: list[float]  # CPU of each process of the engine
    audio: float  # that each of the processes made


def _timed(processes: int) -> _Run:
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        pool.map(_first, range(processes), chunksize=1)
        engines = _engines()
        before = family(os.getpid())
        began = time.perf_counter()
        audio = pool.map(_work, range(processes), chunksize=1)
        clock = time.perf_counter() - began
        after = family(os.getpid())
    return _Run(
        clock,
        (sum(after.values()) - sum(before.values())) / TICK,
        [(after[pid] - before[pid]) / TICK for pid in engines],
        audio[0],
    )


def _first(_: int) -> None:
    _spoken(_SENTENCE)


def _first_sound() -> float:
    began = time.perf_counter()
    parts = Unicorn().speak(SpeechRequest(_SENTENCE, "heart"), Access()).parts
    next(parts)
    took = time.perf_counter() - began
    parts.close()
    return took


def _engines() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            above = Path(f"/proc/{parent}/cmdline").read_bytes()
        except OSError:
            continue
        if b"unicorn.hibari.engine" in command and b"unicorn.hibari.engine" in above:
            found.append(int(folder.name))
    return found


def _peak(pid: int) -> float:
    return _status(str(pid), "VmHWM")


def _rss(pid: str) -> float:
    return _status(pid, "VmRSS")


def _status(pid: str, name: str) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) / 1024
