"""One loudness for all built-in voices: a gain for each, measured once.

`gains.json` has the gain of each voice in dB, as `python -m benchmarks gains` measured it:
what brings a text in the voice's own language to `LOUDNESS`. A voice that isn't in it keeps
its own level.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from providers.unicorn.engines import EngineVoice

LOUDNESS = -19.0
"""Of mono speech, in LUFS (EBU R 128): as loud as stereo at -16."""

_KNEE = 0.75  # of full scale: from here on, peaks are rounded off
_CEILING = 0.98


def gain(voice: EngineVoice) -> float:
    """Return the factor that brings a voice to the common level."""
    decibels: float = _gains().get(voice.info.id, 0.0)
    return float(10 ** (decibels / 20))


@cache
def _gains() -> dict[str, float]:
    path = Path(__file__).with_name("gains.json")
    gains: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    return gains


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
