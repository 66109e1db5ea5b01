"""Determine the time of each word in a piece: from the provider, or estimated from audio.

An estimate divides the time with sound among the words by their length, and skips the
silences. A comma or a full stop near a silence is matched with it, so that errors don't
grow beyond a clause.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from providers.contract import words
from providers.contract.base import Word
from providers.contract.words import Unit

EXACT, ESTIMATED = "exact", "estimated"

_MIN_WORD_SHARE = 0.5  # of a text's words must have times, else times are ignored
_MIN_SPAN_SHARE = 0.25  # of the time with sound that three words or more must span
_SILENCE = 0.12  # seconds; shorter ones are within words
_QUIET = 0.02  # of the loudest sample: below it is silence
_UNMATCHED_COST = 0.35  # in seconds: of a stop without a silence, or the reverse
_PAUSING = frozenset(",;:.!?…،؛؟۔।。！？、，；：—–\n)»”")


@dataclass(frozen=True, slots=True)
class Loudness:
    """The loudness of audio in equal steps."""

    steps: NDArray[np.int16]  # the loudest sample in each step
    step: float  # seconds
    seconds: float  # total


def word_times(
    text: str, given: Sequence[Word], loudness: Loudness, *, is_trusted: bool
) -> tuple[list[Word], str]:
    """Return the words of `text` with their times, and the timing: exact or estimated.

    `given` are the times from the provider. They are kept if they are plausible. Words
    without a time get a share of the time between their neighbors, and then the timing is
    estimated. A trusted provider leaves out only words that it did not speak
    (`providers.contract.base.Speech.has_all_times`).
    """
    units = [unit for unit in words.split(text) if unit.has_letters]
    is_plausible = bool(given) and _is_plausible(
        text, given, loudness, units, is_trusted=is_trusted
    )
    if is_trusted:
        return list(given) if is_plausible else [], EXACT
    if not is_plausible:
        return estimate_times(text, loudness), ESTIMATED
    missing = _missing_words(units, given)
    if not missing:
        return list(given), EXACT
    return _with_missing(text, given, missing, loudness.seconds), ESTIMATED


def estimate_times(text: str, loudness: Loudness) -> list[Word]:
    """Return an estimated time for every word of `text`, in order and inside the audio."""
    units = [unit for unit in words.split(text) if unit.has_letters]
    if not units or loudness.seconds <= 0:
        return []
    sounds = sounding_spans(loudness)
    lengths = np.array(
        [relative_length(text[u.word_start : u.word_end]) for u in units]
    )
    ends = np.cumsum(lengths) / lengths.sum()  # of each word, as share of the total
    moments = _word_spans(text, units, ends, sounds)
    found = []
    for unit, (start, end) in zip(units, moments, strict=True):
        found.append(Word(start, end, unit.word_start, unit.word_end))
    return found


def _is_plausible(
    text: str,
    given: Sequence[Word],
    loudness: Loudness,
    units: Sequence[Unit],
    *,
    is_trusted: bool,
) -> bool:
    """Return whether the `given` times can be right for the text and the audio."""
    time, place = 0.0, 0
    for word in given:
        is_in_time = time <= word.start <= word.end <= loudness.seconds + 0.001
        is_in_text = place <= word.char_start < word.char_end <= len(text)
        if not (is_in_time and is_in_text and text[word.char_start : word.char_end]):
            return False
        time, place = word.end, word.char_end
    if is_trusted:
        return True
    if len(given) < _MIN_WORD_SHARE * len(units):
        return False
    sounding = sum(end - start for start, end in sounding_spans(loudness))
    return (
        len(given) < 3 or given[-1].end - given[0].start >= _MIN_SPAN_SHARE * sounding
    )


def _missing_words(units: Sequence[Unit], given: Sequence[Word]) -> list[Unit]:
    """Return the words of a text that no given word overlaps."""
    starts = [word.char_start for word in given]
    missing = []
    for unit in units:
        before = bisect_right(starts, unit.word_end - 1) - 1
        if before < 0 or given[before].char_end <= unit.word_start:
            missing.append(unit)
    return missing


def _with_missing(
    text: str, given: Sequence[Word], missing: Sequence[Unit], seconds: float
) -> list[Word]:
    """Return all words in order; missing ones share the time between their neighbors."""
    found: list[Word] = []
    units = deque(missing)
    last = Word(seconds, seconds, len(text), len(text))
    since = 0.0
    for word in [*given, last]:
        between = []
        while units and units[0].word_start < word.char_start:
            between.append(units.popleft())
        lengths = [
            relative_length(text[unit.word_start : unit.word_end]) for unit in between
        ]
        room = max(0.0, word.start - since)
        for unit, length in zip(between, lengths, strict=True):
            until = min(since + room * length / sum(lengths), word.start)
            found.append(Word(since, until, unit.word_start, unit.word_end))
            since = until
        found.append(word)
        since = word.end
    return found[:-1]


def sounding_spans(loudness: Loudness) -> list[tuple[float, float]]:
    """Return the spans with sound as (start, end) in seconds; at least one."""
    steps = np.abs(loudness.steps.astype(np.int32))
    loud = np.flatnonzero(steps > _QUIET * steps.max(initial=0))
    if not len(loud):
        return [(0.0, loudness.seconds)]
    breaks = np.flatnonzero(np.diff(loud) * loudness.step > _SILENCE)
    firsts = [loud[0], *loud[breaks + 1]]
    lasts = [*loud[breaks], loud[-1]]
    return [
        (
            min(float(first) * loudness.step, loudness.seconds),
            min(float(last + 1) * loudness.step, loudness.seconds),
        )
        for first, last in zip(firsts, lasts, strict=True)
    ]


def relative_length(word: str) -> float:
    """Return the relative duration of a word; a letter takes 1."""
    length = 1.5  # for every word
    for character in word:
        if character.isdigit():
            length += 4  # "seven"
        elif character.isalnum():
            # An ideograph or a Korean syllable has two or three sounds.
            length += 2.5 if "\u2e80" <= character <= "\ud7ff" else 1
        else:
            length += 0.3
    return length


def _word_spans(
    text: str,
    units: Sequence[Unit],
    ends: NDArray[np.float64],
    sounds: Sequence[tuple[float, float]],
) -> list[tuple[float, float]]:
    """Return (start, end) of each word in seconds, from its end as share of all lengths."""
    heard = np.cumsum([end - start for start, end in sounds])
    total = float(heard[-1])
    # The time with sound up to the end of each word, adjusted so that stops match silences.
    stops = [
        index
        for index, (unit, following) in enumerate(pairwise(units))
        if _PAUSING & set(text[unit.word_end : following.word_start])
    ]
    expected = [float(ends[index]) * total for index in stops]
    anchors = [(0.0, 0.0)]
    for stop, silence in _match_stops(expected, [float(time) for time in heard[:-1]]):
        anchors.append((float(ends[stops[stop]]), float(heard[silence])))
    anchors.append((1.0, total))
    shares, times = zip(*anchors, strict=True)
    until = np.interp(ends, shares, times)
    moments = []
    since = 0.0
    for moment in until:
        end = float(max(moment, since))
        moments.append(
            (_time_of(since, sounds, heard, 0), _time_of(end, sounds, heard, 1))
        )
        since = end
    return moments


def _time_of(
    heard_until: float,
    sounds: Sequence[tuple[float, float]],
    heard: NDArray[np.float64],
    side: int,
) -> float:
    """Return the time in the audio after `heard_until` seconds with sound.

    At a silence, the end of a word (`side` 1) is where it begins, and the start of a word
    (`side` 0) is where it ends.
    """
    ends = [float(time) for time in heard]
    slack = 1e-9
    index = bisect_right(ends, heard_until + (slack if side == 0 else -slack))
    index = min(index, len(sounds) - 1)
    start, end = sounds[index]
    before = ends[index - 1] if index else 0.0
    return min(start + max(0.0, heard_until - before), end)


def _match_stops(
    expected: Sequence[float], silences: Sequence[float]
) -> list[tuple[int, int]]:
    """Return matching pairs of stop and silence, in order, with the lowest total cost.

    A pair costs its distance in seconds; one without a match costs `_UNMATCHED_COST`.
    """
    if not expected or not silences:
        return []
    rows, columns = len(expected), len(silences)
    gaps = np.abs(np.subtract.outer(np.array(expected), np.array(silences)))
    costs = np.zeros((rows + 1, columns + 1))
    costs[:, 0] = np.arange(rows + 1) * _UNMATCHED_COST
    costs[0, :] = np.arange(columns + 1) * _UNMATCHED_COST
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            costs[row, column] = min(
                costs[row - 1, column - 1] + gaps[row - 1, column - 1],
                costs[row - 1, column] + _UNMATCHED_COST,
                costs[row, column - 1] + _UNMATCHED_COST,
            )
    pairs = []
    row, column = rows, columns
    while row and column:
        here = costs[row, column]
        if here == costs[row - 1, column - 1] + gaps[row - 1, column - 1]:
            pairs.append((row - 1, column - 1))
            row, column = row - 1, column - 1
        elif here == costs[row - 1, column] + _UNMATCHED_COST:
            row -= 1
        else:
            column -= 1
    return pairs[::-1]
