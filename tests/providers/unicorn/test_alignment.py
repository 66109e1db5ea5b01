"""Words are heard when their times say, by another program's ear."""

import re
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from tests.providers.speaking import hear
from tests.providers.unicorn.aligning import ENOUGH, WITHIN, Aligner

MOST = 100  # sentences


def sentences() -> list[str]:
    """Return sentences of our own documents that are plain English."""
    found = []
    for path in sorted((Path(settings.BASE_DIR) / "docs").rglob("*.md")):
        text = " ".join(path.read_text().split())
        found += re.findall(r"(?<=\. )[A-Z][A-Za-z,;' ’-]{60,240}\.(?= )", text)
    return found[:MOST]


@pytest.mark.slow("a recognizer listens to minutes of speech")
def test_an_aligner_hears_the_words_at_their_times():
    aligner = Aligner()
    aligned = [aligner.distances(hear(text, "heart")) for text in sentences()]
    assert aligned.count(None) <= 2  # it lost its way
    seconds = np.array([word.seconds for words in aligned for word in words or ()])
    assert len(seconds) > 1000
    share = (np.abs(seconds) <= WITHIN).mean()
    assert share >= ENOUGH, (len(seconds), share)
