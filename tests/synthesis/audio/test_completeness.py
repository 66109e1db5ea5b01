"""What counts as complete: words, length and silence against the text."""

import numpy as np

from providers.contract.base import Word
from providers.contract.words import split as words_of
from synthesis.audio.completeness import flaw
from synthesis.audio.timing import Loudness
from tests.cases import cases
from tests.providers.speaking import Heard, hear

TEXT = "The quick brown fox jumps over the lazy dog, again and again. " * 3


def loudness(*spans: tuple[float, float]) -> Loudness:
    """Return sound of `(seconds with sound, seconds of silence)`, in order."""
    steps = [
        np.repeat([8_000, 0], [round(sound * 100), round(silence * 100)])
        for sound, silence in spans
    ]
    found = np.concatenate(steps).astype(np.int16)
    return Loudness(found, 0.01, len(found) / 100)


def evenly(text: str, seconds: float) -> list[Word]:
    """Return the words of `text`, each with a share of the time by its place."""
    units = words_of(text)
    ends = [unit.start for unit in units[1:]] + [len(text)]
    return [
        Word(
            unit.start / len(text) * seconds,
            end / len(text) * seconds,
            unit.word_start,
            unit.word_end,
        )
        for unit, end in zip(units, ends, strict=True)
    ]


def test_ordinary_speech_is_complete():
    for seconds, case in cases([6.0, 12.0, 40.0]):
        with case:
            assert flaw(TEXT, None, loudness((seconds, 0.3)), speed=1) == ""
            words = evenly(TEXT, seconds)
            assert flaw(TEXT, words, loudness((seconds, 0.3)), speed=1) == ""


def test_words_may_be_timed_without_their_edges():
    words = [
        Word(word.start + 0.05, word.end - 0.05, word.char_start, word.char_end)
        for word in evenly(TEXT, 15)
    ]
    assert flaw(TEXT, words, loudness((15, 0)), speed=1) == ""


def test_what_is_missing_is_named():
    words = evenly(TEXT, 12)
    table: list[tuple[list[Word] | None, list[tuple[float, float]], float, str]] = [
        (None, [(2.5, 0)], 1, "2.5 s of sound for 186 characters"),
        (evenly(TEXT, 4), [(4, 0)], 1, "4.0 s of sound for 186 characters"),
        (None, [(4, 0)], 1, ""),
        (None, [(2.5, 0)], 2, ""),
        (None, [(6, 11), (6, 0)], 1, "11.0 s of silence within the text"),
        (None, [(6, 11), (6, 0)], 0.5, ""),
        (None, [(12, 200)], 1, "12.0 s of sound in 212.0 s"),
        (words[:-3], [(12, 0)], 1, "3 of 36 words have no sound"),
        (words[:-2], [(12, 0)], 1, ""),
        (words[3:], [(12, 0)], 1, "3 of 36 words have no sound"),
        ([], [(12, 0)], 1, "36 of 36 words have no sound"),
        (words, [(15, 0)], 1, "3.0 s of sound without a word"),
    ]
    for (given, spans, speed, found), case in cases(table):
        with case:
            assert flaw(TEXT, given, loudness(*spans), speed=speed) == found


def test_a_short_text_misses_a_word_by_half():
    sound = loudness((1.0, 0))
    assert flaw("Hi there", [Word(0, 1, 3, 8)], sound, speed=1) == ""
    assert flaw("Hi there", [Word(0, 1, 0, 2)], sound, speed=1) == (
        "1 of 2 words have no sound"
    )


def heard_loudness(heard: Heard) -> Loudness:
    step = heard.sample_rate // 100
    samples = np.abs(np.frombuffer(heard.audio, "<i2").astype(np.int32))
    steps = samples[: len(samples) // step * step].reshape(-1, step).max(axis=1)
    return Loudness(
        steps.clip(max=32_767).astype(np.int16), step / heard.sample_rate, heard.seconds
    )


LANGUAGES = {
    "de": "Der alte Mann ging abends heim. Er dachte an Dr. Müller und den 5. Mai 1998. ",
    "ru": "Старик шёл вечером по улицам города. Он думал о 1998 годе. ",
    "zh-cn": "老人晚上走在城市的街道上，想着1998年的事情。他很累。",
    "ko": "노인은 저녁에 도시의 거리를 걸었다. 나는 1998년을 생각했다. ",
    "ar": "مشى الرجل العجوز في شوارع المدينة مساءً. كان يفكر في عام 1998. ",
    "hi": "बूढ़ा आदमी शाम को शहर की सड़कों पर चला। उसने 1998 के बारे में सोचा। ",
    "th": "ชายชราเดินไปตามถนนในเมืองตอนเย็น เขาคิดถึงปี 1998 ",
    "fr-fr": "Le vieil homme marchait le soir. L’an 1998, il l’avait oublié. ",
    "vi": "Ông già đi bộ trên đường phố vào buổi tối. Ông nghĩ về năm 1998. ",
    "he": "הזקן הלך ברחובות העיר בערב. ",
    "en-us": "He said 你好 to me, and Привет, and שלום; then 🙂 left at 5 p.m. ",
}


def test_no_language_raises_a_false_alarm():
    table = [(*row, speed) for row in LANGUAGES.items() for speed in (0.25, 1, 4)]
    for (voice, text, speed), case in cases(table):
        with case:
            heard = hear(text * 3, voice, speed=speed)
            found = flaw(heard.text, heard.words, heard_loudness(heard), speed=speed)
            assert found == ""
