"""Words are heard when their times say, by another program's ear."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
from django.conf import settings
from pocketsphinx import Decoder

from tests.providers.speaking import Heard, hear

WITHIN = 0.15  # seconds
MOST = 100  # sentences


def sentences() -> list[str]:
    """Return sentences of our own documents that are plain English."""
    found = []
    for path in sorted((Path(settings.BASE_DIR) / "docs").rglob("*.md")):
        text = " ".join(path.read_text().split())
        found += re.findall(r"(?<=\. )[A-Z][A-Za-z,;' ’-]{60,240}\.(?= )", text)
    return found


def words_of(heard: Heard) -> list[tuple[str, float]]:
    """Return each word as dictionaries spell it, and when it is to be heard."""
    plain = [
        (re.sub(r"[^a-z']", "", spoken.lower().replace("’", "'")), word.start)
        for spoken, word in zip(heard.spoken, heard.words, strict=True)
    ]
    return [(word, start) for word, start in plain if word]


def at_16_khz(heard: Heard) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    samples = np.frombuffer(heard.audio, np.int16)[np.newaxis]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = heard.sample_rate
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return b"".join(part.to_ndarray()[0].tobytes() for part in frames)


@pytest.mark.slow("a recognizer listens to minutes of speech")
def test_an_aligner_hears_the_words_at_their_times():
    decoder = Decoder(lm=None, samprate=16_000, loglevel="FATAL")
    distances: list[float] = []
    count = 0
    for text in sentences():
        if count == MOST:
            break
        heard = hear(text, "heart")
        words = words_of(heard)
        if not all(decoder.lookup_word(word) for word, _ in words):
            continue
        decoder.set_align_text(" ".join(word for word, _ in words))
        decoder.start_utt()
        decoder.process_raw(at_16_khz(heard), full_utt=True)
        decoder.end_utt()
        aligned = [
            (segment.word.partition("(")[0], segment.start_frame / 100)
            for segment in decoder.seg()
            if segment.word[0] not in "<[("
        ]
        if [word for word, _ in aligned] != [word for word, _ in words]:
            continue  # it lost its way
        count += 1
        distances += [
            start - at for (_, start), (_, at) in zip(words, aligned, strict=True)
        ]
    assert len(distances) > 1000
    near = np.abs(np.array(distances)) <= WITHIN
    assert near.mean() >= 0.97, (len(near), near.mean())
