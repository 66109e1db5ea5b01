"""Normalize a text, split it for provider calls, and map offsets to the text as sent.

Pure functions. All offsets count Unicode code points, as the API does.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import accumulate
from operator import itemgetter
from typing import Any

import regex

from providers.contract.base import Limit
from providers.contract.sentences import CLOSERS, ends_sentence

# The pauses of eSpeak NG within one call (measured, 1.52): 540 ms between paragraphs,
# 310 ms between sentences, 160 ms at a comma. At the end of a call it leaves 7 ms.
PARAGRAPH_PAUSE_MS = 550
SENTENCE_PAUSE_MS = 300
CLAUSE_PAUSE_MS = 150


LONGEST_CHARACTER = 100
"""The longest grapheme in code points. Every provider's limit per call is at least that."""


def normalize(text: str) -> str:
    """Return the text that is billed and spoken: LF for CRLF, no outer white space."""
    return text.replace("\r\n", "\n").strip()


Shifts = list[list[int]]
"""Maps offsets of a text to offsets of the text that was sent.

Ordered pairs `[offset, shift]`: from `offset` on, `shift` is added. Before the first pair
nothing is added.
"""


def shifts_in(raw: str) -> Shifts:
    """Return the shifts from `normalize(raw)` to `raw`."""
    unified = raw.replace("\r\n", "\n")
    lead = len(unified) - len(unified.lstrip())
    return shifts_of([(0, lead, len(unified.strip()))], crlf_offsets(raw))


def crlf_offsets(raw: str) -> list[int]:
    """Return the offset of each LF that was CRLF in `raw`, after CRLF became LF."""
    lines = raw.split("\r\n")
    return [end - 1 for end in accumulate(len(line) + 1 for line in lines[:-1])]


def shifts_of(parts: Iterable[tuple[int, int, int]], crlfs: list[int]) -> Shifts:
    """Return the shifts of a text that was made of parts of a source text.

    Each part is its offset in the text, its offset in the source (after CRLF became LF)
    and its length. `crlfs` are the `crlf_offsets` of the source.
    """
    shifts: Shifts = []
    known = 0
    for start, place, length in parts:
        first = bisect_left(crlfs, place)
        last = bisect_left(crlfs, place + length)
        moved = place - start
        if moved + first != known:
            shifts.append([start, moved + first])
        within = enumerate(crlfs[first:last], moved + first + 1)
        shifts += [[end - moved + 1, shift] for shift, end in within]
        known = moved + last
    return shifts


def as_sent(offset: int, shifts: Shifts) -> int:
    """Return the offset of a character in the text that was sent."""
    index = bisect_right(shifts, offset, key=itemgetter(0))
    return offset + (shifts[index - 1][1] if index else 0)


def words_as_sent(
    words: Iterable[dict[str, Any]], shifts: Shifts
) -> list[dict[str, Any]]:
    """Return word times with offsets in the text that was sent."""
    return [
        word
        | {
            "char_start": as_sent(word["char_start"], shifts),
            # Mapped by its last character, so that a CR after the word is excluded.
            "char_end": as_sent(word["char_end"] - 1, shifts) + 1,
        }
        for word in words
    ]


def is_speakable(text: str) -> bool:
    """Return whether `text` has a letter or digit of any script."""
    return any(map(str.isalnum, text))


def has_overlong_character(text: str) -> bool:
    """Return whether a grapheme has more than `LONGEST_CHARACTER` code points.

    In real text, scripts and emoji have at most about 20.
    """
    for stretch in _DENSE.finditer(text):
        place, end = stretch.span()
        while place < end:
            window = text[place : min(place + _WINDOW, end)]
            found = _GRAPHEME.findall(window)
            if max(map(len, found)) > LONGEST_CHARACTER:
                return True
            if place + _WINDOW >= end:
                break
            # The last grapheme may be incomplete: the next window starts with it.
            place += len(window) - len(found[-1])
    return False


def sentence_ends(text: str, language: str = "") -> Iterator[int]:
    """Yield the offset after each sentence of `text`; "Dr." does not end one."""
    for match in _MARKS.finditer(text):
        kind = match.lastgroup
        if kind in ("end", "ideographic_end"):
            is_cut = _may_cut(text, kind, match.group(), match.end())
            if is_cut and ends_sentence(text, *match.span(), language):
                yield match.end()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text for one call: `source[start:end]`, without outer white space."""

    text: str
    start: int
    end: int
    pause_ms: int  # the silence after it; 0 for the last chunk


def split(text: str, limit: Limit, language: str = "") -> list[Chunk]:
    """Split `text` into few chunks within `limit`, at natural pauses.

    `language` (BCP 47, empty: unknown) tells abbreviations from the ends of sentences.

    A chunk ends at the end of a paragraph, else of a sentence, a clause or a word. Only if
    none of them fits, it ends between two graphemes. Together the chunks are the whole
    text, except white space between them and text without letters or digits. Takes time in
    proportion to the length of the text.

    Raises:
        ValueError: `limit` is too small for a single character.
    """
    if limit.amount < (4 if limit.unit == "bytes" else 1):
        raise ValueError(f"nothing fits into {limit}")
    breaks = _Breaks(text, language)
    chunks: list[Chunk] = []
    start = _skip_space(text, 0)
    while start < len(text):
        reach = _reach(text, start, limit)
        if limit.sentence is not None:
            reach = breaks.reach_of_sentences(start, reach, limit.sentence)
        end, cut = breaks.last(start, reach)
        stripped = text[start:end].rstrip()
        chunks.append(Chunk(stripped, start, start + len(stripped), _PAUSES[cut]))
        start = _skip_space(text, end)
    return _without_unspeakable(text, chunks, limit)


class _Cut(IntEnum):
    """The kinds of places where a chunk may end, the best last."""

    GRAPHEME = 0
    WORD = 1
    CLAUSE = 2
    QUOTED = 3  # the end of a sentence inside a quotation
    SENTENCE = 4
    PARAGRAPH = 5


_PAUSES = {
    _Cut.GRAPHEME: 0,
    _Cut.WORD: 0,
    _Cut.CLAUSE: CLAUSE_PAUSE_MS,
    _Cut.QUOTED: SENTENCE_PAUSE_MS,
    _Cut.SENTENCE: SENTENCE_PAUSE_MS,
    _Cut.PARAGRAPH: PARAGRAPH_PAUSE_MS,
}

# Tried in this order. A cut is used if the chunk fills at least this share of the limit.
_PREFERENCES = (
    (_Cut.PARAGRAPH, 0.5),
    (_Cut.SENTENCE, 0.5),
    (_Cut.QUOTED, 0.5),
    (_Cut.PARAGRAPH, 0.0),
    (_Cut.SENTENCE, 0.0),
    (_Cut.QUOTED, 0.0),
    (_Cut.CLAUSE, 0.25),
)

# Possessive quantifiers avoid backtracking, so that no text makes this slow.
_MARKS = regex.compile(
    rf"""
      (?P<paragraph> \n[^\S\n]*+\n\s*+ | [\u2029\f]\s*+ )
    | (?P<end> [.!?…‽؟۔।॥։።။]++ {CLOSERS}*+ (?: \s»(?=\s|$) )?+ )
    | (?P<ideographic_end> [。！？｡]++ {CLOSERS}*+ )
    | (?P<clause> [,;:،؛·—–]++ {CLOSERS}*+ | [)\]}}]++ | (?<=\s)-++ )
    | (?P<ideographic_clause> [、，；：､]++ {CLOSERS}*+ | \n )
    | (?P<quote> ["“”„«»「」『』] )
    """,
    regex.VERBOSE,
)
_DASHES = ("—", "–")
# These code points belong to the grapheme before them.
_CONTINUES = regex.compile(r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]")
_STANDS_ALONE = regex.compile(r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]")
_OPENING = frozenset("“„«「『")
_CLOSING = frozenset("”»」』")
_QUOTES = _OPENING | _CLOSING | {'"'}
_GRAPHEME = regex.compile(r"\X")
# Long graphemes can only be here: all code points but the first are beyond ASCII.
_DENSE = regex.compile(rf"[^\x00-\x7f]{{{LONGEST_CHARACTER},}}")
_WINDOW = LONGEST_CHARACTER + 28  # regex needs quadratic time in a row of flags
_STEP = 64  # characters
_WEIGHED_FIRST = 256  # characters


class _Breaks:
    """The offsets where `text` may be cut, by kind, found in one pass."""

    def __init__(self, text: str, language: str) -> None:
        self._text = text
        self._places: dict[_Cut, list[int]] = {cut: [] for cut in _Cut}
        depth = 0  # of quotation marks
        for match in _MARKS.finditer(text):
            kind, marks, place = match.lastgroup, match.group(), match.end()
            if kind == "paragraph":
                depth = 0  # an unclosed quotation affects one paragraph only
                self._places[_Cut.PARAGRAPH].append(match.start())
                continue
            for number, mark in enumerate(marks):
                if mark in _QUOTES:
                    depth = _depth_after(text, match.start() + number, depth)
            if kind == "quote" or not _may_cut(text, kind, marks, place):
                continue
            cut = _Cut.CLAUSE
            is_end = kind in ("end", "ideographic_end")
            if is_end and ends_sentence(text, *match.span(), language):
                cut = _Cut.QUOTED if depth else _Cut.SENTENCE
            self._places[cut].append(place)
        self._ends = sorted(
            place for cut in _Cut if cut >= _Cut.QUOTED for place in self._places[cut]
        )

    def reach_of_sentences(self, start: int, reach: int, most: int) -> int:
        """Return the offset where a sentence exceeds `most`, or `reach` if none does."""
        since = start
        index = bisect_right(self._ends, start)
        while since + most < reach:
            is_last = index == len(self._ends)
            end = len(self._text) if is_last else self._ends[index]
            if end - since > most:
                return since + most
            since, index = end, index + 1
        return reach

    def last(self, start: int, reach: int) -> tuple[int, _Cut]:
        """Return the best end for a chunk from `start` up to `reach`, and its kind."""
        if reach == len(self._text):
            return reach, _Cut.GRAPHEME
        for cut, share in _PREFERENCES:
            places = self._places[cut]
            index = bisect_right(places, reach) - 1
            if index >= 0 and places[index] > start + share * (reach - start):
                return places[index], cut
        # White space at `reach` itself ends the last word that fits.
        for place in range(reach, start, -1):
            if _is_space(self._text, place):
                return place, _Cut.WORD
        return _last_grapheme(self._text, start, reach), _Cut.GRAPHEME


def _depth_after(text: str, place: int, depth: int) -> int:
    """Return how many quotations are open after the mark at `place`.

    In German, “ closes a quotation and » opens one. So white space next to a mark counts
    more than its shape.
    """
    before, after = text[max(0, place - 1) : place], text[place + 1 : place + 2]
    is_free_before = not before or before.isspace() or before in "([{—–-"
    is_free_after = not after or after.isspace()
    if is_free_before != is_free_after:
        is_opening = is_free_before
    elif text[place] == '"':
        is_opening = not depth
    else:
        is_opening = text[place] in _OPENING
    return depth + 1 if is_opening else max(0, depth - 1)


def _may_cut(text: str, kind: str | None, marks: str, place: int) -> bool:
    """Return whether a chunk may end at `place`, after these marks."""
    following = text[place : place + 1]
    if following.isspace():
        return _is_space(text, place)
    if kind in ("end", "clause") and not marks.endswith(_DASHES):
        return False  # 3.14, 10:30, example.com, f(x)y
    return not _CONTINUES.match(following)


def _last_grapheme(text: str, start: int, reach: int) -> int:
    """Return the last end of a grapheme up to `reach`.

    A grapheme that is longer than the limit is cut at `reach`. Orders with such graphemes
    are refused before: see `has_overlong_character`.
    """
    place, step = start, _STEP
    while place < reach:
        # In small steps, since matching a row of flags takes quadratic time. The last
        # grapheme of a step may be incomplete: the next step starts with it.
        ends = [match.end() for match in _GRAPHEME.finditer(text[place : place + step])]
        if place + step < len(text):
            ends.pop()
        if not ends:
            if place + step >= reach:
                break
            step *= 2
            continue
        fitting = bisect_right(ends, reach - place)
        if fitting:
            place += ends[fitting - 1]
        if fitting < len(ends):
            break
        step = _STEP
    return place if place > start else reach


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and _is_space(text, place):
        place += 1
    return place


def _is_space(text: str, place: int) -> bool:
    """Return whether `place` has white space without a combining mark after it."""
    if not text[place].isspace():
        return False
    if _STANDS_ALONE.match(text, place):
        return True
    return not _CONTINUES.match(text, place + 1)


def _reach(text: str, start: int, limit: Limit) -> int:
    """Return the end of the longest text from `start` within `limit`."""
    if limit.weigh is not None:
        return _reach_of_weight(text, start, limit)
    window = text[start : start + limit.amount]
    if limit.unit == "bytes" and limit.measure(window) > limit.amount:
        window = window.encode()[: limit.amount].decode(errors="ignore")
    return start + len(window)


def _reach_of_weight(text: str, start: int, limit: Limit) -> int:
    """Return the end of the longest text from `start` whose weight is within `limit`.

    Weight grows about in proportion to length, so interpolation search finds it quickly.
    """
    low, light = start, 0
    high = min(start + _WEIGHED_FIRST, len(text))
    while (heavy := limit.measure(text[start:high])) <= limit.amount:
        if high == len(text):
            return high
        low, light = high, heavy
        high = min(start + 2 * (high - start), len(text))
    is_guess = True
    while high - low > 1:
        middle = (low + high) // 2
        if is_guess:
            guess = low + (high - low) * (limit.amount - light) // (heavy - light)
            middle = min(max(guess, low + 1), high - 1)
        weight = limit.measure(text[start:middle])
        if weight <= limit.amount:
            low, light = middle, weight
        else:
            high, heavy = middle, weight
        is_guess = not is_guess
    return low


def _without_unspeakable(text: str, chunks: list[Chunk], limit: Limit) -> list[Chunk]:
    """Join chunks of mere punctuation to the chunk before, or drop them; keep the pause."""
    kept: list[Chunk] = []
    for chunk in chunks:
        if is_speakable(chunk.text):
            kept.append(chunk)
        elif kept:
            last = kept[-1]
            pause = max(last.pause_ms, chunk.pause_ms)
            both = Chunk(text[last.start : chunk.end], last.start, chunk.end, pause)
            fits = limit.measure(both.text) <= limit.amount
            kept[-1] = both if fits else replace(last, pause_ms=pause)
    if kept:
        kept[-1] = replace(kept[-1], pause_ms=0)
    return kept
