"""Normalization, offsets and splitting of texts."""

from functools import partial

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from providers.contract.base import Limit
from synthesis.text.chapters import chapters_of
from synthesis.text.splitting import (
    CLAUSE_PAUSE_MS,
    PARAGRAPH_PAUSE_MS,
    SENTENCE_PAUSE_MS,
    Chunk,
    as_sent,
    has_overlong_character,
    is_speakable,
    normalize,
    shifts_in,
    split,
)

TROUBLE = [
    *"abcXYZ019 .,;:!?-—…\"'()«»„“”\n\t\r",
    "\r\n",
    "\n\n",
    " ",
    "e\u0301",  # an accent of its own
    "\u0301",
    "👩\u200d👩\u200d👧",  # a family of one
    "🇩🇪",
    "🇩",
    "👍🏽",
    "한",
    "ᄒ",
    "ᅡ",
    "ᆫ",
    "क्षि",
    "句",
    "。",
    "，",
    "」",
    "؟",
    "\u200d",
    "\u200b",
    "\u00a0",
    "\u2029",
    "Dr.",
    "e.g.",
    "3.14",
    "x" * 30,
]
texts = st.lists(st.sampled_from(TROUBLE), max_size=60).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=80
)
limits = st.builds(Limit, st.integers(4, 60), st.sampled_from(["characters", "bytes"]))


def pieces(text: str, amount: int, unit: str = "characters") -> list[str]:
    return [chunk.text for chunk in split(text, Limit(amount, unit))]  # type: ignore[arg-type]


def stripped(text: str) -> str:
    """Return `text` without outer white space, unless it has a combining mark."""
    text = text.rstrip()
    while (first := regex.match(r"\X", text)) and first[0].isspace():
        text = text[first.end() :]
    return text


# --- the normal form -----------------------------------------------------------------


def test_normal_form_has_line_feeds_and_no_space_around() -> None:
    assert normalize("\r\n  One\r\ntwo\n\nthree \t\r\n") == "One\ntwo\n\nthree"
    assert normalize(" \r\n ") == ""


def test_a_lone_carriage_return_stays() -> None:
    assert normalize("a\rb\n\rc") == "a\rb\n\rc"


@given(texts)
def test_normal_form_only_loses_returns_and_outer_space(raw: str) -> None:
    once = normalize(raw)
    assert once == once.strip()
    # A return before a CRLF stays: each CRLF loses exactly its own.
    assert once == "\n".join(raw.split("\r\n")).strip()


def test_offsets_map_to_the_text_as_sent() -> None:
    raw = " \r\nOne\r\n\r\ntwo.\r\n"
    text = normalize(raw)
    original = partial(as_sent, shifts=shifts_in(raw))
    place = text.index("two")
    assert raw[original(place) : original(place + 4)] == "two."
    assert raw[original(0) : original(3)] == "One"
    assert original(3) == raw.index("\r\n\r\n")  # the end of a word is before the CR


@given(texts)
def test_every_offset_maps_to_its_character(raw: str) -> None:
    text = normalize(raw)
    original = partial(as_sent, shifts=shifts_in(raw))
    for place, character in enumerate(text):
        found = raw[original(place) : original(place + 1)]
        assert found == ("\r\n" if found == "\r\n" else character)
        assert normalize(f"x{found}x") == f"x{character}x"


LINES = st.lists(
    st.sampled_from(
        [
            "# One",
            "## Two #",
            "# #",
            "Chapter 1",
            " Prologue ",
            "word",
            " a b ",
            "",
            " ",
        ]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\n\r\n"]))
def test_offsets_of_chapters_map_to_their_letters(lines, end) -> None:
    text = end.join(lines)
    for chapter in chapters_of(text):
        for offset, letter in enumerate(chapter.text):
            if not letter.isspace():
                assert text[as_sent(offset, chapter.shifts)] == letter


@pytest.mark.parametrize("text", ["a", "Ж", "句", "ก", "5", "½", "…1", "٣"])
def test_letters_and_digits_of_any_script_are_speakable(text: str) -> None:
    assert is_speakable(text)


@pytest.mark.parametrize("text", ["", " \n", "...", "—", "😀", "🇩🇪", "* * *", "\u0301"])
def test_punctuation_and_emoji_are_not_speakable(text: str) -> None:
    assert not is_speakable(text)


# --- what must hold for any text -----------------------------------------------------


@pytest.mark.parametrize("mark", ["\u200d", "\u0301"])
def test_a_line_break_takes_no_mark(mark: str) -> None:
    assert pieces(f"\n{mark}a", 4) == [f"{mark}a"]


@given(texts, limits)
def test_chunks_are_slices_within_the_limit(text: str, limit: Limit) -> None:
    for chunk in split(text, limit):
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text == stripped(chunk.text) != ""
        assert limit.measure(chunk.text) <= limit.amount
        assert is_speakable(chunk.text)


@given(texts, limits)
def test_nothing_that_can_be_spoken_is_lost_or_said_twice(
    text: str, limit: Limit
) -> None:
    place = 0
    for chunk in split(text, limit):
        assert chunk.start >= place
        assert not is_speakable(text[place : chunk.start])
        place = chunk.end
    assert not is_speakable(text[place:])


@given(texts, limits)
def test_graphemes_are_not_split(text: str, limit: Limit) -> None:
    graphemes = list(regex.finditer(r"\X", text))
    whole = {
        place
        for grapheme in graphemes
        if limit.measure(grapheme.group()) <= limit.amount
        and not grapheme.group()[0].isspace()
        for place in range(grapheme.start() + 1, grapheme.end())
    }
    for chunk in split(text, limit):
        assert chunk.start not in whole
        # A combining mark on white space belongs to no chunk.
        assert chunk.end not in whole


@given(texts, limits)
def test_pauses_are_between_chunks_only(text: str, limit: Limit) -> None:
    chunks = split(text, limit)
    assert all(chunk.pause_ms >= 0 for chunk in chunks)
    assert not chunks or chunks[-1].pause_ms == 0


@given(texts)
@example("\u2029\u0301a")  # a paragraph separator takes no combining mark
def test_a_text_within_the_limit_is_one_chunk(text: str) -> None:
    expected = [stripped(text)] if is_speakable(text) else []
    assert pieces(text, 10_000) == expected


# --- where the cuts fall -------------------------------------------------------------


def test_cuts_at_paragraphs_before_sentences() -> None:
    text = "One two. Three four.\n\nFive six. Seven."
    assert split(text, Limit(35)) == [
        Chunk("One two. Three four.", 0, 20, PARAGRAPH_PAUSE_MS),
        Chunk("Five six. Seven.", 22, 38, 0),
    ]


def test_cuts_at_a_sentence_when_the_paragraph_ends_too_early() -> None:
    text = "Title\n\nThe first sentence is here. The second one follows it."
    assert split(text, Limit(40)) == [
        Chunk("Title\n\nThe first sentence is here.", 0, 34, SENTENCE_PAUSE_MS),
        Chunk("The second one follows it.", 35, 61, 0),
    ]


def test_cuts_at_a_clause_when_the_sentence_is_too_long() -> None:
    chunks = split("When it rains, it pours on everybody", Limit(24))
    assert [chunk.text for chunk in chunks] == [
        "When it rains,",
        "it pours on everybody",
    ]
    assert chunks[0].pause_ms == CLAUSE_PAUSE_MS


def test_cuts_between_words_without_a_pause() -> None:
    chunks = split("many words without any mark at all", Limit(16))
    assert [chunk.text for chunk in chunks] == [
        "many words",
        "without any mark",
        "at all",
    ]
    assert {chunk.pause_ms for chunk in chunks} == {0}


def test_cuts_a_word_that_is_too_long() -> None:
    assert pieces("https://example.com/a/long/address", 12) == [
        "https://exam",
        "ple.com/a/lo",
        "ng/address",
    ]


def test_packs_many_sentences_into_one_chunk() -> None:
    text = " ".join(f"Sentence number {number} is here." for number in range(1_000))
    chunks = split(text, Limit(4_096))
    assert len(chunks) == -(-len(text) // 4_096)
    assert all(chunk.text.endswith("is here.") for chunk in chunks)


@pytest.mark.parametrize(
    "text",
    [
        "We met Mr. Smith there.",
        "So Dr. House was right.",
        "It costs 3.14 crowns now.",
        "Go to No. 5 on the left.",
        "See fig. 12 on that page.",
        "He is J. R. R. Tolkien.",
        "In the U.S. Army he rose.",
        "Fruit, e.g. Apples, sells.",
        "Wait... what is it now?",
        "Wait… what is it now?",
        "“Why now?” she asked him.",
        '"Why not!" he answered.',
        "Am 5. Mai war er schon da.",
        "On Jan. 25 it was snowing.",
        "Podľa č. 7 a podľa iných.",
    ],
)
def test_no_sentence_ends_here(text: str) -> None:
    """If the limit is slightly above the first stop, the cut is at a word or clause."""
    stop = max(text.find(mark) for mark in (". ", "... ", "… ", "?” ", '!" ')) + 4
    chunks = split(text, Limit(stop))
    assert len(chunks) > 1
    assert chunks[0].pause_ms < SENTENCE_PAUSE_MS


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("I was there. He was not.", "I was there."),
        ("Was I there? He was not.", "Was I there?"),
        ("It was so... He was not.", "It was so..."),
        ("“I was there.” He was not.", "“I was there.”"),
        ("„Ich war da.“ Er war nicht da.", "„Ich war da.“"),
        ("»Ich war da.« Er war nicht da.", "»Ich war da.«"),
        ("« J’étais là. » Il était parti.", "« J’étais là. »"),
        ("(I was there.) He was not.", "(I was there.)"),
        ("It was 1999. He was not.", "It was 1999."),
        ("No. I was not there then.", "No."),
        ("क्या वह था। वह नहीं था वहाँ।", "क्या वह था।"),
        ("هل كان هنا؟ لم يكن هنا هو.", "هل كان هنا؟"),
        ("他在那里。他不在那里了。", "他在那里。"),
        ("「你去吗？」他没有回答我。", "「你去吗？」"),
    ],
)
def test_a_sentence_ends_here(text: str, first: str) -> None:
    chunks = split(text, Limit(len(first) + 6))
    assert chunks[0].text == first
    assert chunks[0].pause_ms == SENTENCE_PAUSE_MS


def test_a_quotation_stays_together_when_it_can() -> None:
    text = "He rose at once. “I see. You lie. Go.” Then he left the room."
    assert pieces(text, 40)[0] == "He rose at once. “I see. You lie. Go.”"
    assert pieces(text, 31)[0] == "He rose at once."


def test_a_long_quotation_is_cut_at_its_sentences() -> None:
    text = "“I see it now. You lied to me then. You always did so to me.”"
    assert pieces(text, 40)[0] == "“I see it now. You lied to me then."


def test_bytes_are_counted_where_the_provider_counts_them() -> None:
    assert pieces("éééé éééé", 9, "bytes") == ["éééé", "éééé"]
    assert pieces("éééé éééé", 9) == ["éééé éééé"]


def test_emoji_sequences_are_not_split() -> None:
    family = "👩\u200d👩\u200d👧\u200d👦"  # 7 code points
    assert pieces(f"a{family}b", 8) == [f"a{family}", "b"]
    assert pieces(f"ab{family}c", 8) == ["ab", f"{family}c"]


def test_flags_are_not_split() -> None:
    assert pieces("a🇩🇪🇸🇰b", 4) == ["a🇩🇪", "🇸🇰b"]


# --- unspeakable text ----------------------------------------------------------------


def test_punctuation_stays_where_there_is_room() -> None:
    assert pieces("***\n\nOne two\n\n***", 17) == ["***\n\nOne two\n\n***"]
    text = "One two.\n\n... Three four five"
    assert pieces(text, 15) == ["One two.\n\n...", "Three four five"]


def test_punctuation_that_fits_nowhere_is_dropped() -> None:
    text = "* * * * * * *\n\nOne two\n\n* * * * * * *\n\nThree four"
    assert pieces(text, 13) == ["One two", "Three four"]


def test_a_dropped_row_of_marks_leaves_its_pause() -> None:
    chunks = split("One, two\n\n* * * * * * *\n\nThree four", Limit(13))
    assert [chunk.pause_ms for chunk in chunks] == [PARAGRAPH_PAUSE_MS, 0]


@pytest.mark.parametrize("text", ["", " \n ", "...", "😀 😀 😀", "— — —" * 50])
def test_an_unspeakable_text_has_no_chunks(text: str) -> None:
    assert split(text, Limit(10)) == []


@pytest.mark.parametrize("limit", [Limit(0), Limit(3, "bytes")])
def test_a_limit_that_no_character_fits_is_refused(limit: Limit) -> None:
    with pytest.raises(ValueError, match="nothing fits"):
        split("a", limit)


# --- size ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    [
        "A sentence of a book, as long as any other one. ",
        "x",
        "e\u0301",
        " ",
        ".",
        ". ",
        "\n",
        "🇩🇪",
        '"',
        "a.",
        ").",
        "- ",
        "这是一个句子。",
        "\u0301",
    ],
)
def test_a_long_text_of_anything_is_split(unit: str) -> None:
    """If time grew with the square of the length, this would take hours."""
    text = "a" + unit * (200_000 // len(unit))
    chunks = split(text, Limit(4_096))
    assert chunks[0].start == 0
    assert not is_speakable(text[chunks[-1].end :])


# --- characters without an end -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_endless"),
    [
        ("", False),
        ("plain " * 100, False),
        ("a" + "\u0301" * 99, False),
        ("a" + "\u0301" * 101, True),
        ("before " * 40 + "a" + "\u0301" * 700 + " after", True),
        ("今天" * 190 + "a" + "\u0301" * 101 + "今" * 500, True),
        ("今天" * 500, False),
        ("🇩🇪" * 500, False),
        ("👩\u200d👩\u200d👧\u200d👦" * 100, False),
        ("👩\u200d" * 60, True),
        ("Z\u0351\u036b\u0343\u0320\u0300" * 300, False),
        ("\u1100" * 150, True),  # Hangul that never becomes a syllable
        ("नमस्ते" * 100, False),
        ("각" * 300, False),
    ],
)
def test_a_character_may_have_a_hundred_marks(text: str, is_endless: bool) -> None:
    assert has_overlong_character(text) is is_endless
    if not is_endless and is_speakable(text):
        for limit in (Limit(500), Limit(1_000, "bytes")):
            said = "".join(chunk.text for chunk in split(text, limit))
            assert "".join(said.split()) == "".join(text.split())


@pytest.mark.parametrize("unit", ["今天", "🇩🇪", "a\u0301", "👍🏽"])
def test_finding_overlong_characters_takes_linear_time(unit: str) -> None:
    """If time grew with the square of the length, this would take hours."""
    assert not has_overlong_character(unit * (1_000_000 // len(unit)))
