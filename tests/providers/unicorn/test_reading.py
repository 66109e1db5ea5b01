"""How the natural voice reads 250 sentences, and how it keeps track of them."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.contract.words import split
from providers.unicorn.hibari.reading import Foreign, Phrase, Reader, vocabulary
from providers.unicorn.hibari.tracing import Traced, steps, traced

READER = Reader()
_SPEC = spec_from_file_location("hibari.g2p.untraced", steps.__file__)
assert _SPEC is not None
assert _SPEC.loader is not None
UNTRACED = module_from_spec(_SPEC)
_SPEC.loader.exec_module(UNTRACED)
MOST = 200
SENTENCES = [
    line.split("\t")
    for line in Path(__file__).with_name("sentences.tsv").read_text().splitlines()
]


def spoken(text: str) -> str:
    return " | ".join(
        part.phonemes
        for part in READER.read(text, MOST)
        if isinstance(part, Phrase) and part.phonemes
    )


def test_sentences_are_read_as_listed():
    """A third column says what is wrong; docs/voices.md tells users of these kinds."""
    assert len(SENTENCES) >= 200
    found = {text: spoken(text) for text, *_ in SENTENCES}
    assert found == {text: phonemes for text, phonemes, *_ in SENTENCES}
    assert sum(len(row) == 3 for row in SENTENCES) <= 10


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("She wrote to me@example.com.", "dˈɑt kˈɑm."),
        ("It was 555-1234.", "θɹˈi fˈɔɹ."),
    ],
)
def test_a_stop_after_an_address_or_a_number_ends_the_sentence(text, phonemes):
    assert spoken(text).endswith(phonemes)


TEXTS = st.text(
    st.sampled_from("aAbiIxX159 .,;:-/$%&'\"@#€½²éПあ🙂\n()=~+*“”’"),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_every_word_is_read_or_left_to_another_voice(text):
    """Nothing is dropped, whatever the text; words keep their order and place."""
    place = 0
    last = (0, 0)
    covered: set[int] = set()
    for part in READER.read(text, MOST):
        if isinstance(part, Foreign):
            assert place <= part.start < part.end <= len(text)
            covered |= set(range(part.start, part.end))
            place = part.end
            continue
        assert len(part.phonemes) <= MOST + 8
        assert set(part.phonemes) <= vocabulary().keys()
        for word in part.words:
            assert 0 <= word.first < word.end <= len(part.phonemes)
            for start, end in word.spans:
                # A very long word is in several phrases.
                assert place <= start < end <= len(text) or (start, end) == last
                last = start, end
                covered |= set(range(start, end))
                place = end
    for unit in split(text):
        assert not unit.has_letters or unit.word_start in covered, unit


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_the_trace_follows_each_step(text):
    trace = Traced(text)
    traced(trace)
    plain = UNTRACED.normalize(text)
    assert trace.text == plain
    assert len(trace.origins) == len(plain)
    last = 0
    for start, end in trace.origins:
        assert 0 <= start <= end <= len(text)
        assert end >= last - 60
        last = max(last, end)


def test_a_long_sentence_is_cut_after_clauses():
    clause = "a clause of several words that goes on for some time"
    phrases = list(READER.read(", ".join([clause] * 20) + ".", MOST))
    assert all(
        isinstance(part, Phrase) and len(part.phonemes) <= MOST for part in phrases
    )
    assert len(phrases) == 7
    assert all(isinstance(p, Phrase) and p.phonemes.endswith(",") for p in phrases[:-1])
    words = [
        span
        for part in phrases
        if isinstance(part, Phrase)
        for word in part.words
        for span in word.spans
    ]
    assert len(words) == 20 * 11


def test_a_sentence_without_clauses_is_cut_between_words():
    phrases = list(READER.read("word " * 300, MOST))
    assert sum(len(p.words) for p in phrases if isinstance(p, Phrase)) == 300
    assert all(isinstance(part, Phrase) and not part.pause for part in phrases)
