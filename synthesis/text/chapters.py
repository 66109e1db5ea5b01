"""Split a text into chapters at its headings.

A heading is a Markdown heading (`# Title`), or a short line between blank lines that starts
like a chapter title ("Chapter 3", "Part Two", "Kapitel 4. Der Brief", "Prologue").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple

from kit.rest.lines import to_one_line
from synthesis.text.splitting import Shifts, crlf_offsets, shifts_of

_MARKDOWN = re.compile(r"#{1,3}[ \t]+(?P<title>\S.*)")
_NUMBER = r"(?:\d+|[ivxlcdm]+|[^\W\d_]+)"
_WORDS = (
    "chapter|part|book|act|kapitel|teil|buch|chapitre|partie|livre|capítulo|capitulo|parte"
    "|libro|capitolo|hoofdstuk|deel|rozdział|część|kapitola|časť|глава|часть"
)
_NUMBERED = re.compile(rf"(?:{_WORDS})\s+{_NUMBER}\b.{{0,80}}", re.IGNORECASE)
_NAMES = (
    "prologue|epilogue|preface|foreword|introduction|afterword|prolog|epilog|vorwort"
)
_ALONE = re.compile(rf"(?:{_NAMES})\.?", re.IGNORECASE)
_CANDIDATE = re.compile(
    rf"^[^\S\n]*(?:#{{1,3}}[ \t]+\S|{_WORDS}|{_NAMES})", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter: its heading, and its text including the heading, which is spoken too."""

    title: str
    text: str
    shifts: Shifts = field(default_factory=list)  # maps to offsets in the whole text


def chapters_of(text: str) -> Iterator[Chapter]:
    """Split `text` at its headings; text before the first heading has an empty title.

    A text without headings is one chapter. Only the `#` of Markdown is removed. The
    iterator finds each chapter when it is needed, so reading only a few is cheap.
    """
    crlfs = crlf_offsets(text)
    unified = text.replace("\r\n", "\n")
    beginning = _Heading("", 0, 0, 0)
    end = _Heading("", 0, len(unified) + 1, 0)
    is_blank = True
    for heading, following in pairwise(chain([beginning], _headings(unified), [end])):
        title = heading.title
        rest = unified[heading.line_end : max(following.line - 1, 0)]
        body = (title + rest).strip()
        if body:
            is_blank = False
            lead = 0 if title else len(rest) - len(rest.lstrip())
            parts = [
                (0, heading.place, len(title)),
                (len(title), heading.line_end + lead, len(rest) - lead),
            ]
            yield Chapter(to_one_line(title[:200]), body, shifts_of(parts, crlfs))
    if is_blank:
        yield Chapter("", text)


class _Heading(NamedTuple):
    """A heading, and its offsets in the text."""

    title: str
    place: int  # of its first letter
    line: int
    line_end: int


def _headings(text: str) -> Iterator[_Heading]:
    for candidate in _CANDIDATE.finditer(text):
        line = candidate.start()
        line_end = _end_of_line(text, line)
        before = text[text.rfind("\n", 0, max(line - 1, 0)) + 1 : line]
        after = text[line_end : _end_of_line(text, line_end + 1)]
        alone = not before.strip() and not after.strip()
        title, start = _heading(text[line:line_end], alone=alone)
        if title:
            yield _Heading(title, line + start, line, line_end)


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _heading(row: str, *, alone: bool) -> tuple[str, int]:
    """Return the heading in a line and its offset there; ("", 0) if there is none."""
    line = row.strip()
    start = len(row) - len(row.lstrip())
    if found := _MARKDOWN.fullmatch(line):
        heading = found["title"].rstrip("# \t") or found["title"]
        return heading, start + found.start("title")
    if alone and (_NUMBERED.fullmatch(line) or _ALONE.fullmatch(line)):
        return line, start
    return "", 0
