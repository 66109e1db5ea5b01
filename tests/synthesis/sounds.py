"""Generate audio for tests, and measure decoded audio."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from synthesis.audio import Samples


def voice(samples: int, rate: int = 22_050, *, seed: int = 1) -> Samples:
    """Return speech-like audio: harmonics in syllables, noise and pauses."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / rate
    pitch = 2 * np.pi * np.cumsum(110 + 20 * np.sin(2 * np.pi * 0.7 * time)) / rate
    sound = sum(
        np.sin(number * pitch) / number
        for number in range(1, 25)
        if 140 * number < rate / 2
    )
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time), 0, 1)
    breath = random.normal(0, 0.02, samples)
    return np.round(6_000 * (sound * syllables + breath)).astype(np.int16)


def blocks(samples: Samples, size: int = 4_800) -> Iterator[Samples]:
    """Yield `samples` in blocks of uneven length."""
    place = 0
    while place < len(samples):
        step = size + place % 777
        yield samples[place : place + step]
        place += step


def decode(path: Path) -> tuple[Samples, int, Any]:
    """Decode a file with FFmpeg; return the samples, the rate and the open file."""
    container = av.open(str(path))
    track = container.streams.audio[0]
    resampler = av.AudioResampler(format="s16", layout="mono", rate=track.rate)
    parts = []
    for frame in container.decode(track):
        parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts), track.rate, container


def level(samples: Samples) -> float:
    """Return the loudness (RMS) in dB below full scale."""
    power = np.mean(samples.astype(np.float64) ** 2)
    return float(10 * np.log10(power / 32_768**2))


def lag(first: Samples, second: Samples) -> int:
    """Return by how many samples `second` comes later than `first`."""
    size = min(len(first), len(second), 1 << 16)
    one = np.fft.rfft(first[:size].astype(np.float64), 2 * size)
    two = np.fft.rfft(second[:size].astype(np.float64), 2 * size)
    likeness = np.fft.irfft(two * np.conj(one))
    place = int(np.argmax(likeness))
    return place if place < size else place - 2 * size


def likeness(first: Samples, second: Samples) -> float:
    """Return the correlation of two sounds: 1 if they differ in loudness only."""
    size = min(len(first), len(second))
    one, two = (side[:size].astype(np.float64) for side in (first, second))
    return float(np.dot(one, two) / np.sqrt(np.dot(one, one) * np.dot(two, two)))
