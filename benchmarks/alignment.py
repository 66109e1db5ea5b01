"""Measure when words of books are heard, against the times that the natural voice tells.

`BOOKS` is a folder of EPUB files. pocketsphinx is given the text of each sampled paragraph
and finds its words in the sound. Words that its dictionary has are counted.
"""

import os
import random
import re

from django.conf import settings

from benchmarks import verdicts
from benchmarks.spoken import books
from tests.providers.speaking import hear
from tests.providers.unicorn.aligning import ENOUGH, WITHIN, Aligner

_SAMPLED = int(os.environ.get("PARAGRAPHS", "200"))
_LENGTHS = range(60, 1_001)  # characters: no headings, and one call each


def main() -> None:
    """Print the share of words that are heard when they are told."""
    assert settings.SPEECH_DIRECTORY  # every process of ours has loaded the settings
    paragraphs = [part for _, text in books() for part in _paragraphs(text)]
    if not paragraphs:
        return
    sampled = random.Random(1).sample(paragraphs, min(_SAMPLED, len(paragraphs)))
    aligner = Aligner()
    found = [aligner.distances(hear(text, "heart")) for text in sampled]
    distances = sorted(word.seconds for words in found for word in words or ())
    share = sum(abs(seconds) <= WITHIN for seconds in distances) / len(distances)
    print(
        f"{len(distances):,} words of {len(sampled)} paragraphs: {share:.1%} are heard "
        f"within {WITHIN * 1000:.0f} ms of the time told; limit {ENOUGH:.0%}: "
        f"{verdicts.judge(share >= ENOUGH, 'TOO FEW')}"
    )
    first, middle, last = (
        distances[int(len(distances) * p)] for p in (0.01, 0.5, 0.99)
    )
    print(
        f"they are told {-middle * 1000:.0f} ms before they are heard (median), from "
        f"{-first * 1000:.0f} ms before to {last * 1000:.0f} ms after (1 and 99 %)"
    )
    lost = found.count(None)
    print(
        f"paragraphs in which the aligner lost its way: {lost}; limit 1 %: "
        f"{verdicts.judge(lost <= len(sampled) / 100, 'TOO MANY')}"
    )


def _paragraphs(text: str) -> list[str]:
    """Return paragraphs without digits, whose words are not as they are written."""
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return [
        part for part in parts if len(part) in _LENGTHS and not re.search(r"\d", part)
    ]
