"""Where lines end that are more than wrapped prose: verses, items, headings."""

import re
from collections.abc import Iterator
from itertools import pairwise
from unicodedata import east_asian_width

from providers.contract.sentences import CLOSERS

_BLANK_LINE = re.compile(r"\n\s*\n")
_PAUSING = re.compile(rf"[.,;:!?…،؛؟۔।॥։။።。！？、，；：｡､—–-]{CLOSERS}*$")
_ITEM = re.compile(r"\s*(?:[-*+•◦‣▪–—]|\(?\w{1,3}[.)])\s")

# Columns: prose is wrapped at some width, and its lines are about as full as they can be.
_WRAPPED = 50
_WRAPPED_IN_WORDS = 30  # if the next line begins with a small letter
_ROOM = 10


def line_ends(text: str, *, marked: bool = False) -> Iterator[int]:
    """Yield the offset of the end of each line that is no wrapped prose.

    The last lines of paragraphs are left out. So are lines whose last mark makes a pause,
    unless `marked`.
    """
    place = 0
    for blank in [*_BLANK_LINE.finditer(text), None]:
        end = blank.start() if blank else len(text)
        lines = text[place:end].split("\n")
        width = max(map(columns_of, lines))
        for line, following in pairwise(lines):
            said = line.rstrip()
            is_whole = said and not _is_wrapped(said, following, width)
            if is_whole and (marked or not _PAUSING.search(said[-8:])):
                yield place + len(said)
            place += len(line) + 1
        place = blank.end() if blank else len(text)


def columns_of(text: str) -> int:
    """Return the width of `text`; an ideograph takes two columns."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _is_wrapped(line: str, following: str, width: int) -> bool:
    """Return whether the sentence goes on in the line below, in a block of this width."""
    if _ITEM.match(following):
        return False
    first = following.split(maxsplit=1)[0] if following.strip() else ""
    if first[:1].islower():
        return width >= _WRAPPED_IN_WORDS
    room = width - columns_of(line) - 1 - columns_of(first)
    return width >= _WRAPPED and room < _ROOM
