import pytest

from providers.contract.alignment import Timeline, match_words
from providers.contract.base import Word


def spoken(text, tokens):
    return [
        (text[word.char_start : word.char_end], word.start, word.end)
        for word in match_words(text, tokens)
    ]


def test_tokens_are_found_without_their_punctuation():
    text = "Hello! “So,” she said…"
    tokens = [("hello", 0, 1), ("So,", 1, 2), ("she", 2, 3), ("SAID", 3, 4)]
    assert spoken(text, tokens) == [
        ("Hello", 0, 1),
        ("So", 1, 2),
        ("she", 2, 3),
        ("said", 3, 4),
    ]


def test_a_number_that_is_spelled_out_takes_the_time_of_its_tokens():
    text = "I have 21 cats."
    tokens = [
        *(("I", 0.0, 0.1), ("have", 0.1, 0.3), ("twenty", 0.3, 0.6)),
        *(("one", 0.6, 0.8), ("cats", 0.8, 1.0)),
    ]
    assert spoken(text, tokens)[2:] == [("21", 0.3, 0.8), ("cats", 0.8, 1.0)]


def test_parts_of_a_word_at_the_end_are_that_word():
    tokens = [("I", 0, 1), ("don", 1, 2), ("t", 2, 3)]
    assert spoken("I don't", tokens) == [("I", 0, 1), ("don't", 1, 3)]


def test_skipped_word_has_no_time():
    tokens = [("one", 0, 1), ("three", 1, 2)]
    assert spoken("one two three", tokens) == [("one", 0, 1), ("three", 1, 2)]


@pytest.mark.parametrize(
    "tokens",
    [[], [("", 0, 1)], [("...", 0, 1)], [(None, 0, 1)], [("a", None, 1)], [("a",)]],
)
def test_invalid_tokens_give_no_words(tokens):
    assert match_words("a b c", tokens) == []


def test_words_stay_in_order_and_inside_the_audio():
    timeline = Timeline(1000)
    timeline.add_words(
        [
            Word(0.0, 0.5, 0, 1),
            Word(0.4, 0.4, 2, 3),  # overlaps, and has no length
            Word(0.6, 5.0, 4, 5),  # ends after the audio
            Word(2.0, 3.0, 6, 7),  # begins after the audio
        ]
    )
    parts = [*timeline.add_audio(bytes(2000)), *timeline.finish()]
    assert [part for part in parts if isinstance(part, Word)] == [
        Word(0.0, 0.5, 0, 1),
        Word(0.5, 0.501, 2, 3),
        Word(0.6, 1.0, 4, 5),
    ]


def test_word_is_yielded_after_its_audio():
    timeline = Timeline(1000)
    timeline.add_words([Word(0.0, 0.4, 0, 1), Word(0.4, 0.9, 2, 3)])
    first = list(timeline.add_audio(bytes(1000)))
    assert first == [bytes(1000), Word(0.0, 0.4, 0, 1)]
    assert list(timeline.add_audio(bytes(1000)))[1:] == [Word(0.4, 0.9, 2, 3)]
