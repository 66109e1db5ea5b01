"""Joining audio, its times, and waveform peaks."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from providers.contract.base import Access, Encoding, Limit, SpeechRequest
from providers.unicorn import Unicorn
from synthesis import audio
from synthesis.audio import Part, Samples
from synthesis.text import splitting
from tests.synthesis.sounds import blocks, lag, level, voice

RATE = 22_050
FADE = RATE * 4 // 1000


def stored(samples: Samples, rate: int = RATE) -> Callable[[], io.BytesIO]:
    target = io.BytesIO()
    audio.store_piece([samples.tobytes()], Encoding("pcm", rate), target)
    return partial(io.BytesIO, target.getvalue())


def joined(parts: list[Part], rate: int = RATE) -> tuple[Samples, list[float]]:
    whole = audio.join(parts, rate=rate)
    return np.concatenate(list(whole.blocks())), whole.starts


def test_starts_and_length_are_counted_in_samples() -> None:
    lengths = [10_001, 22_050, 33_333, 4_607, 4_608]
    pauses = [300, 0, 550, 1, 800]
    parts = [
        Part(stored(voice(length)), pause)
        for length, pause in zip(lengths, pauses, strict=True)
    ]

    found, starts = joined(parts)

    expected, place = [], 0
    for length, pause in zip(lengths, pauses, strict=True):
        expected.append(place / RATE)
        place += length + round(pause * RATE / 1000)
    assert starts == expected
    assert len(found) == place


def test_parts_are_unchanged_but_for_their_edges() -> None:
    first, second = voice(30_000), voice(20_000, seed=2)
    found, _ = joined([Part(stored(first), 100), Part(stored(second))])
    pause = RATE // 10
    assert np.array_equal(found[FADE : 30_000 - FADE], first[FADE:-FADE])
    assert not found[30_000 : 30_000 + pause].any()
    assert np.array_equal(found[30_000 + pause :][FADE:-FADE], second[FADE:-FADE])


@pytest.mark.parametrize("pause", [0, 300])
def test_no_click_is_heard_at_a_joint(pause: int) -> None:
    """A loud tone that is cut anywhere would jump by its height."""
    time = np.arange(20_000) / RATE
    tone = np.round(20_000 * np.cos(2 * np.pi * 200 * time)).astype(np.int16)
    steepest = np.abs(np.diff(tone.astype(np.int32))).max()

    found, _ = joined([Part(stored(tone), pause)] * 4)

    ends = np.concatenate(([0], found.astype(np.int32), [0]))
    assert np.abs(np.diff(ends)).max() < 1.2 * steepest
    assert level(found) > level(tone) - (3 if pause else 0.2)


@pytest.mark.parametrize("length", [1, 2, 5, FADE, 2 * FADE - 1, 2 * FADE])
def test_very_short_parts_keep_their_length(length: int) -> None:
    loud = np.full(length, 19_900, np.int16)
    found, starts = joined([Part(stored(loud)), Part(stored(loud))])
    assert len(found) == 2 * length
    assert starts == [0, length / RATE]


def test_parts_of_different_rates_are_resampled() -> None:
    first, second = voice(44_100, 44_100), voice(16_000, 16_000)
    found, starts = joined(
        [Part(stored(first, 44_100), 500), Part(stored(second, 16_000))], rate=24_000
    )
    assert starts == [0, 1.5]
    assert len(found) == 60_000
    expected = voice(24_000, 24_000)
    assert lag(expected, found[:24_000]) == 0
    assert lag(expected, found[36_000:]) == 0


def test_parts_in_different_encodings_are_joined_by_their_real_length(
    tmp_path,
) -> None:
    sound = voice(50_000)
    path = tmp_path / "part.mp3"
    audio.encode(blocks(sound), rate=RATE, format="mp3", target=path)

    found, starts = joined(
        [Part(partial(path.open, "rb")), Part(stored(sound)), Part(stored(sound))]
    )

    assert starts == [0, 50_000 / RATE, 100_000 / RATE]
    assert lag(sound, found[:50_000]) == 0
    assert len(found) == 150_000


def test_one_part_is_open_at_a_time() -> None:
    opened: list[io.BytesIO] = []
    data = stored(voice(5_000))().getvalue()

    def source() -> io.BytesIO:
        assert all(file.closed for file in opened)
        opened.append(io.BytesIO(data))
        return opened[-1]

    joined([Part(source)] * 5)

    assert len(opened) == 5
    assert all(file.closed for file in opened)


def test_a_damaged_part_raises() -> None:
    good = stored(voice(20_000))().getvalue()
    parts = [Part(partial(io.BytesIO, good)), Part(partial(io.BytesIO, good[:-900]))]
    with pytest.raises(audio.BadAudio):
        joined(parts)


# --- with the built-in voice ---------------------------------------------------------


def said(words: str) -> Samples:
    speech = Unicorn().speak(SpeechRequest(words, "en-us"), Access())
    assert speech.encoding == Encoding("pcm", RATE)
    data = b"".join(part for part in speech.parts if isinstance(part, bytes))
    return np.frombuffer(data, np.dtype("<i2"))


def longest_pause_ms(samples: Samples) -> float:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 100)
    return float(np.diff(loud).max()) * 1000 / RATE


@pytest.mark.parametrize(
    "script",
    [
        "The moon is old.\n\nThe moon is new.",
        "The moon is old. The moon is new.",
        "The moon is old, the moon is new.",
    ],
)
def test_a_cut_text_pauses_as_long_as_a_whole_one(script: str) -> None:
    chunks = splitting.split(script, Limit(20))
    assert len(chunks) == 2

    found, _ = joined([Part(stored(said(c.text)), c.pause_ms) for c in chunks])

    assert longest_pause_ms(found) == pytest.approx(
        longest_pause_ms(said(script)), abs=40
    )
    assert 0 <= len(found) - len(said(script)) < 0.25 * RATE
