"""Check whether the audio of a call holds its whole text, by words, length and silence.

The limits are wide: over two novels they find nothing. They find speech that is missing,
not speech that is bad.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from providers.contract import words
from providers.contract.base import Word
from synthesis.audio.timing import Loudness, relative_length, sounding_spans

# Lengths are those of `relative_length`: 1 for a letter, 4 for a digit. At normal speed,
# voices say about 19 in a second.
_LEAST_SECONDS = 0.008  # of a word, for each unit of its length
_MISSING_WORDS = 3
_MISSING_SHARE = 0.05  # of the length of a text
_MISSING_SHARE_OF_FEW = 0.5  # of a text with fewer missing words than that
_MOST_PER_SECOND = 45  # of a voice whose words are all timed
_MOST_OF_OTHERS = 70
_LEAST_LENGTH = 100  # of a text whose duration is checked
_OUTSIDE_SECONDS = 2.0  # with sound outside of every word
_OUTSIDE_SHARE = 0.1
_LONGEST_GAP = 0.5  # seconds between two words; some engines leave out their edges
_QUIET = 0.03  # of the loudest sample
_SILENCE_SECONDS = 10.0  # between two words
_LEAST_SOUND_SHARE = 0.1  # of the duration
_LEAST_DURATION = 5.0  # seconds; for that share


def flaw(
    text: str, given: Sequence[Word] | None, loudness: Loudness, *, speed: float
) -> str:
    """Return what is missing in the audio of `text`, in English for operators, or nothing.

    `given` are the times of all words that were spoken; None if they aren't known. Then
    only length and silence count.
    """
    units = [unit for unit in words.split(text) if unit.has_letters]
    lengths = [relative_length(text[unit.word_start : unit.word_end]) for unit in units]
    pace = max(1.0, speed)
    spans = sounding_spans(loudness)
    sound = sum(end - start for start, end in spans)
    total = sum(lengths)
    most = _MOST_OF_OTHERS if given is None else _MOST_PER_SECOND
    if total >= _LEAST_LENGTH and total > most * pace * sound:
        return f"{sound:.1f} s of sound for {len(text)} characters"
    silences = (after - end for (_, end), (after, _) in pairwise(spans))
    longest = max(silences, default=0.0)
    if longest * speed > _SILENCE_SECONDS:
        return f"{longest:.1f} s of silence within the text"
    if loudness.seconds > _LEAST_DURATION and (
        sound < _LEAST_SOUND_SHARE * loudness.seconds
    ):
        return f"{sound:.1f} s of sound in {loudness.seconds:.1f} s"
    if given is None:
        return ""
    missing = _missing_lengths(units, lengths, given, _LEAST_SECONDS / pace)
    is_many = len(missing) >= _MISSING_WORDS
    share = _MISSING_SHARE if is_many else _MISSING_SHARE_OF_FEW
    if sum(missing) > share * total:
        return f"{len(missing)} of {len(units)} words have no sound"
    outside = _sound_outside(given, loudness)
    if outside > max(_OUTSIDE_SECONDS, _OUTSIDE_SHARE * sound):
        return f"{outside:.1f} s of sound without a word"
    return ""


def _missing_lengths(
    units: Sequence[words.Unit],
    lengths: Sequence[float],
    given: Sequence[Word],
    least: float,
) -> list[float]:
    """Return the lengths of the words that have no time, or nearly none."""
    missing = []
    times = iter(given)
    word = next(times, None)
    for unit, length in zip(units, lengths, strict=True):
        seconds = 0.0
        while word is not None and word.char_start < unit.word_end:
            if word.char_end > unit.word_start:
                # A word that is spoken together with others has its share of their time.
                seconds += word.end - word.start
            if word.char_end > unit.word_end:
                break  # it is also the time of the next unit: 你好
            word = next(times, None)
        if seconds < least * length:
            missing.append(length)
    return missing


def _sound_outside(given: Sequence[Word], loudness: Loudness) -> float:
    """Return the seconds with sound in longer gaps between the words."""
    steps = np.abs(loudness.steps.astype(np.int32))
    is_loud = steps > _QUIET * steps.max(initial=0)
    ends = [0.0, *(word.end for word in given)]
    starts = [*(word.start for word in given), loudness.seconds]
    outside = 0
    for end, start in zip(ends, starts, strict=True):
        if start - end > _LONGEST_GAP:
            first, last = int(end / loudness.step) + 1, int(start / loudness.step)
            outside += int(is_loud[first:last].sum())
    return outside * loudness.step
