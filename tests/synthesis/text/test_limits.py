"""No call exceeds its adapter's limit, and no grapheme is split."""

import json
from itertools import product

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.contract.base import Limit
from providers.contract.registry import ADAPTERS, get_adapter
from synthesis.models import Job
from synthesis.text.splitting import is_speakable, split
from tests import factories
from tests.cases import cases

LIMITS = sorted(
    {get_adapter(slug).limit for slug in ADAPTERS} | {Limit(40), Limit(64, "bytes")},
    key=lambda limit: (limit.unit, limit.amount),
)
CLUSTERS = [
    "👩‍👩‍👧‍👦",  # a family, 25 bytes
    "🇸🇰",
    "👍🏽",
    "e\u0301",
    "a\u0308\u0323",
    "각",
    "ក្រ",
    "क्षि",
    "\r\n",
    " \u0301",
    "。\u0301",
    ".\u200d",
]
PIECES = st.one_of(
    st.sampled_from([*CLUSTERS, *CLUSTERS]),
    st.sampled_from(
        ["a", "word ", "b. ", ", ", "\n\n", "今", "。", "ب", " ", "<", "&"]
    ),
)


def edges(text: str) -> set[int]:
    """Return the offsets between graphemes."""
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


def check(text: str, limit: Limit) -> None:
    chunks = split(text, limit)
    allowed = edges(text)
    for chunk in chunks:
        assert limit.measure(chunk.text) <= limit.amount
        assert text[chunk.start : chunk.end] == chunk.text
        assert {chunk.start, chunk.end} <= allowed
        assert is_speakable(chunk.text)
    said = "".join(chunk.text for chunk in chunks)
    assert [c for c in said if c.isalnum()] == [c for c in text if c.isalnum()]


def of_weights(limit: Limit) -> bool:
    """Whether the limit weighs each character, which takes 30 times as long."""
    return limit.weigh is not None


def test_a_row_of_clusters_is_cut_between_them() -> None:
    for (limit, cluster), case in cases(product(LIMITS, CLUSTERS[:8])):
        # A part of a call tests as much as a full one.
        is_short = of_weights(limit) and cluster != CLUSTERS[0]
        amount = 750 if is_short else limit.amount
        with case:
            for shift in range(3):
                text = "x" * shift + cluster * (2 * amount // len(cluster) + 3) + "x"
                check(text, limit)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=120).map("".join))
def test_no_text_is_cut_inside_a_cluster(text) -> None:
    for limit in (Limit(40), Limit(64, "bytes")):
        check(text, limit)


def test_a_word_of_100_000_characters_is_cut() -> None:
    for (limit, letter), case in cases(product(LIMITS, "x今بé")):
        length = 20_000 if of_weights(limit) and letter != "今" else 100_000
        with case:
            text = letter * length
            chunks = split(text, limit)
            assert "".join(chunk.text for chunk in chunks) == text
            assert all(limit.measure(chunk.text) <= limit.amount for chunk in chunks)
            if limit.weigh:
                assert len(chunks) < length / 100
                continue
            assert len(chunks) == -(-length // (limit.amount // limit.measure(letter)))


@pytest.mark.django_db(transaction=True)
def test_a_voice_of_another_provider_is_refused(voices) -> None:
    api = factories.api(factories.token())
    for voice, code in [
        ("unicorn:one", "unknown_voice"),
        ("scripted:en-us", "unknown_voice"),
        ("openai:alloy", "unknown_provider"),
        ("scripted:unicorn:en-us", "unknown_voice"),
    ]:
        answer = api.post(
            "/api/v1/jobs",
            json.dumps({"text": "Hello.", "voice": voice}),
            content_type="application/json",
        )
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert Job.objects.count() == 0
