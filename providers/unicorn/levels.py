"""One loudness for all built-in voices: a gain for each, measured once.

`gains.json` has the gain of each voice in dB, as `python -m benchmarks gains` measured it:
what brings a text in the voice's own language to `LOUDNESS`. That of a fetched voice is
measured when it is fetched, and lies beside its model.
"""

import json
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from providers.unicorn.engines import EngineVoice

LOUDNESS = -19.0
"""Of mono speech, in LUFS (EBU R 128): as loud as stereo at -16."""

_KNEE = 0.75  # of full scale: from here on, peaks are rounded off
_CEILING = 0.98


def gain(voice: EngineVoice) -> float:
    """Return the factor that brings a voice to the common level."""
    decibels = gains().get(voice.info.id)
    if decibels is None:
        kept = _file(voice)
        decibels = float(kept.read_text()) if kept.exists() else 0.0
    return float(10 ** (decibels / 20))


def keep_gain(voice: EngineVoice, samples: bytes, rate: int) -> None:
    """Measure speech of a fetched voice, and keep its gain beside its model."""
    _file(voice).write_text(f"{LOUDNESS - loudness(samples, rate):.1f}\n")


def _file(voice: EngineVoice) -> Path:
    return Path(f"{voice.engine_id}.gain")


@cache
def gains() -> dict[str, float]:
    """Return the gain of each voice that was measured, in dB."""
    path = Path(__file__).with_name("gains.json")
    found: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    return found


def raised(samples: bytes, factor: float) -> bytes:
    """Return samples (16-bit, little-endian) louder by a factor, without clipping."""
    if factor == 1.0 or not samples:
        return samples
    wave = np.frombuffer(samples, np.dtype("<i2")).astype(np.float32) * (factor / 32768)
    loud = np.abs(wave)
    if loud.max() > _KNEE:
        room = _CEILING - _KNEE
        over = np.maximum(loud - _KNEE, 0)
        rounded = np.minimum(loud, _KNEE) + room * np.tanh(over / room)
        wave = np.copysign(rounded, wave)
    return bytes(np.rint(wave * 32767).astype("<i2").tobytes())


def loudness(samples: bytes, rate: int) -> float:
    """Return the integrated loudness of 16-bit mono samples, in LUFS."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=rate, format="s16", layout="mono", time_base=Fraction(1, rate)
    )
    meter = graph.add("ebur128", "metadata=1")
    graph.link_nodes(source, meter, graph.add("abuffersink")).configure()
    array = np.frombuffer(samples, np.dtype("<i2"))
    # With a second of silence, which doesn't count, so that the last sound is measured.
    array = np.concatenate([array, np.zeros(rate, np.int16)])
    frame = av.AudioFrame.from_ndarray(array[np.newaxis], format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    frame.time_base = Fraction(1, rate)
    graph.push(frame)
    graph.push(None)
    measured = float("nan")
    while True:
        try:
            found = graph.pull()
        except (av.FFmpegError, EOFError):
            return measured
        measured = float(found.metadata.get("lavfi.r128.I", measured))
