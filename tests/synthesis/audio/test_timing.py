"""Word times from providers, and estimates that replace implausible ones."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.contract import words
from providers.contract.base import Word
from synthesis.audio import LOUDNESS_MS
from synthesis.audio.timing import (
    ESTIMATED,
    EXACT,
    Loudness,
    estimate_times,
    word_times,
)
from synthesis.work import rendering
from tests import factories
from tests.providers.speaking import hear
from tests.synthesis import scripted

TEXTS = [
    "Hello there, world. It's 12 o'clock!",
    "今天天气很好。我们去公园吧，好不好？",
    "東京は日本の首都です。人口が多い。",
    "مرحبا بالعالم، كيف حالك اليوم؟",
    "שלום עולם. מה שלומך?",
    "e\u0301te\u0301 nai\u0308ve cafe\u0301",
    "Hi 👩‍👩‍👧 there 🎉, flags 🇸🇰🇸🇰 and 👍🏽!",
    "สวัสดีครับ ยินดีต้อนรับ",
    "नमस्ते दुनिया। आप कैसे हैं?",
    "x" * 4000,
    "one\n\ntwo\u2028three\ttabs",
]


def loudness_of(samples: bytes, rate: int) -> Loudness:
    """Return the loudness, measured as for a piece."""
    found = np.abs(np.frombuffer(samples, "<i2").astype(np.int32))
    step = rate * LOUDNESS_MS // 1000
    whole = found[: len(found) // step * step].reshape(-1, step)
    loudest = whole.max(axis=1).clip(max=32767).astype(np.int16)
    return Loudness(loudest, LOUDNESS_MS / 1000, len(found) / rate)


def tone(seconds: float) -> Loudness:
    steps = np.full(round(seconds * 100), 8000, np.int16)
    return Loudness(steps, 0.01, seconds)


def check(text: str, found: list[Word], seconds: float) -> None:
    """Assert that the words are in order and inside the audio."""
    time, place = 0.0, 0
    for word in found:
        assert time <= word.start <= word.end <= seconds
        assert place <= word.char_start < word.char_end <= len(text)
        assert any(map(str.isalnum, text[word.char_start : word.char_end]))
        time, place = word.end, word.char_end
    expected = [
        (unit.word_start, unit.word_end)
        for unit in words.split(text)
        if unit.has_letters
    ]
    assert [(word.char_start, word.char_end) for word in found] == expected


@pytest.mark.parametrize("text", TEXTS)
def test_every_word_has_a_time(text) -> None:
    check(text, estimate_times(text, tone(7.3)), 7.3)


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        st.one_of(
            st.characters(codec="utf-8"),
            st.sampled_from("ab cd.,! \n。，今天ا ب\u0301\u200d👩🇸1"),
        ),
        max_size=200,
    ),
    st.lists(st.sampled_from([0, 0, 5, 300, 9000, -1]), min_size=0, max_size=400),
    st.floats(0, 0.009),
)
def test_estimates_are_in_order_and_inside(text, steps, rest) -> None:
    levels = np.abs(np.array(steps, np.int16))
    seconds = len(steps) * 0.01 + rest
    found = estimate_times(text, Loudness(levels, 0.01, seconds))
    if seconds > 0:
        check(text, found, seconds)
    else:
        assert found == []


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        (
            "en-us",
            "The quick brown fox jumps over the lazy dog. Nobody saw it, except for the"
            " old farmer, who sat by the window. He laughed; then he went to bed.",
        ),
        (
            "sk",
            "Zavolaj do doliny. Skaly chvíľu mlčia, potom ti to vrátia, o niečo tichšie:"
            " tvoje vlastné slová z druhej strany.",
        ),
        (
            "de",
            "Ruf etwas ins Tal. Erst schweigen die Felsen, dann geben sie es zurück, ein"
            " wenig leiser: deine eigenen Worte, von der anderen Seite.",
        ),
    ],
)
def test_estimates_are_near_the_times_of_the_engine(voice, text) -> None:
    spoken = hear(text, voice)
    found = estimate_times(text, loudness_of(spoken.audio, spoken.sample_rate))
    exact = {word.char_start: word.start for word in spoken.words}
    errors = [abs(word.start - exact[word.char_start]) for word in found]
    assert len(errors) == len(spoken.words)
    assert statistics.median(errors) < 0.1
    assert max(errors) < 0.4


def test_silences_belong_to_no_word() -> None:
    steps = np.array([0] * 30 + [9000] * 50 + [0] * 60 + [9000] * 50 + [0] * 10)
    found = estimate_times("One two, three four.", Loudness(steps, 0.01, 2.0))
    spans = [(round(word.start, 2), round(word.end, 2)) for word in found]
    assert spans[0][0] == 0.3
    assert spans[1][1] == 0.8
    assert spans[2][0] == 1.4
    assert spans[3][1] == 1.9


TOLD = [Word(0.1, 0.4, 0, 5), Word(0.5, 0.9, 6, 11), Word(1.0, 1.4, 12, 15)]
TEXT = "Hello there you."


def test_plausible_times_are_kept() -> None:
    assert word_times(TEXT, TOLD, tone(1.5), is_trusted=False) == (TOLD, EXACT)


@pytest.mark.parametrize(
    "told",
    [
        [],
        [Word(0.1, 0.4, 0, 5)],  # most are missing
        [*TOLD[:2], Word(1.0, 9.4, 12, 15)],  # beyond the audio
        [TOLD[1], TOLD[0], TOLD[2]],
        [TOLD[0], Word(0.2, 0.3, 6, 11), TOLD[2]],  # before its neighbour has ended
        [*TOLD[:2], Word(1.0, 1.4, 12, 99)],
        [
            Word(0.01 * n, 0.01 * n + 0.01, w.char_start, w.char_end)
            for n, w in enumerate(TOLD)
        ],  # all at once
        [Word(-1, 0.4, 0, 5), *TOLD[1:]],
        [Word(float("nan"), 0.4, 0, 5), *TOLD[1:]],
    ],
)
def test_implausible_times_are_replaced_by_estimates(told) -> None:
    found, timing = word_times(TEXT, told, tone(1.5), is_trusted=False)
    assert timing == ESTIMATED
    check(TEXT, found, 1.5)


@pytest.mark.parametrize(
    ("left_out", "filled"),
    [
        (0, Word(0.0, 0.5, 0, 5)),
        (1, Word(0.4, 1.0, 6, 11)),
        (2, Word(0.9, 1.5, 12, 15)),
    ],
)
def test_a_missing_word_is_filled_in_and_the_timing_is_estimated(
    left_out, filled
) -> None:
    told = [word for place, word in enumerate(TOLD) if place != left_out]
    found, timing = word_times(TEXT, told, tone(1.5), is_trusted=False)
    assert timing == ESTIMATED
    assert found == [*TOLD[:left_out], filled, *TOLD[left_out + 1 :]]


def test_adjacent_missing_words_share_the_time_by_length() -> None:
    text = "One two three! Four fifteen."
    told = [Word(0, 1, 0, 3), Word(4, 5, 15, 19), Word(5, 6, 20, 27)]
    found, timing = word_times(text, told, tone(6), is_trusted=False)
    assert timing == ESTIMATED
    check(text, found, 6)
    middle = found[1].end
    assert middle == pytest.approx(2.227, abs=0.001)
    assert found[1:3] == [Word(1, middle, 4, 7), Word(middle, 4, 8, 13)]


def test_a_given_word_may_cover_several_words() -> None:
    """Amazon returns times for Chinese words, which may have several characters."""
    told = [Word(0, 1, 0, 2), Word(1, 2, 2, 4)]
    assert word_times("今天天气", told, tone(2), is_trusted=False) == (told, EXACT)


def test_the_engine_knows_which_words_it_left_out() -> None:
    assert word_times(TEXT, TOLD[:2], tone(1.5), is_trusted=True) == (TOLD[:2], EXACT)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("timing", ["estimated", "exact"])
def test_a_scene_says_where_its_times_come_from(
    submitted, speak_all, monkeypatch, timing
) -> None:
    monkeypatch.setattr(scripted.Scripted, "word_timestamps", timing)
    text = "The first sentence is spoken before all the others. And a second one."
    job = submitted(factories.caller(), text)
    speak_all()
    scene = job.scenes.get()
    told = rendering.read_words(scene.words)
    assert (scene.timing, told["timing"]) == (timing, timing)
    assert [word["word"] for word in told["words"]] == [
        word.strip(".") for word in text.split()
    ]
    times = [time for word in told["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= scene.duration_ms / 1000


@pytest.mark.django_db(transaction=True)
def test_one_piece_without_times_makes_a_scene_estimated(
    submitted, speak_all, monkeypatch
) -> None:
    text = "The first sentence is spoken before all the others. And a second one."
    job = submitted(factories.caller(), text)
    parts = scripted.Scripted._parts

    def forgetful(self, said):
        for part in parts(self, said):
            if isinstance(part, bytes) or not said.startswith("And"):
                yield part

    monkeypatch.setattr(scripted.Scripted, "_parts", forgetful)
    speak_all()
    told = rendering.read_words(job.scenes.get().words)
    assert told["timing"] == "estimated"
    assert len(told["words"]) == len(text.split())
