"""Split a text into chapters at its headings.

A heading is a Markdown heading (`# Title`), or a short line between blank lines that starts
like a chapter title ("Chapter 3", "Part Two", "Kapitel 4. Der Brief", "Prologue").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kit.rest.lines import to_one_line
from synthesis.text.splitting import Shifts, crlf_offsets, shifts_of

_MARKDOWN = re.compile(r"#{1,3}[ \t]+(?P<title>\S.*)")
_NUMBER = r"(?:\d+|[ivxlcdm]+|[^\W\d_]+)"
_WORDS = (
    "chapter|part|book|act|kapitel|teil|buch|chapitre|partie|livre|capítulo|capitulo|parte"
    "|libro|capitolo|hoofdstuk|deel|rozdział|część|kapitola|časť|глава|часть"
)
_NUMBERED = re.compile(rf"(?:{_WORDS})\s+{_NUMBER}\b.{{0,80}}", re.IGNORECASE)
_ALONE = re.compile(
    r"(?:prologue|epilogue|preface|foreword|introduction|afterword|prolog|epilog|vorwort)\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter: its heading, and its text including the heading, which is spoken too."""

    title: str
    text: str
    shifts: Shifts = field(default_factory=list)  # maps to offsets in the whole text


def chapters_of(text: str) -> list[Chapter]:
    """Split `text` at its headings; text before the first heading has an empty title.

    A text without headings is one chapter. Only the `#` of Markdown is removed.
    """
    crlfs = crlf_offsets(text)
    chapters: list[Chapter] = []
    title, lines = "", list[tuple[str, int]]()  # each line with its offset
    place = 0
    rows = text.replace("\r\n", "\n").split("\n")
    for number, row in enumerate(rows):
        alone = (number == 0 or not rows[number - 1].strip()) and (
            number + 1 == len(rows) or not rows[number + 1].strip()
        )
        heading, start = _heading(row, alone=alone)
        if heading:
            _close(chapters, title, lines, crlfs)
            title, lines = to_one_line(heading)[:200], [(heading, place + start)]
        else:
            lines.append((row, place))
        place += len(row) + 1
    _close(chapters, title, lines, crlfs)
    return chapters or [Chapter("", text)]


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


def _close(
    chapters: list[Chapter],
    title: str,
    lines: list[tuple[str, int]],
    crlfs: list[int],
) -> None:
    joined = "\n".join(line for line, _ in lines)
    body = joined.strip()
    if body:
        lead = len(joined) - len(joined.lstrip())
        parts = _parts(lines, lead)
        chapters.append(Chapter(title, body, shifts_of(parts, crlfs)))


def _parts(lines: list[tuple[str, int]], lead: int) -> Iterator[tuple[int, int, int]]:
    """Yield offset in the chapter, offset in the text, and length of each line."""
    offset = -lead
    for line, place in lines:
        end = offset + len(line) + 1
        if end > 0:
            cut = max(0, -offset)  # white space before the first letter
            yield offset + cut, place + cut, len(line) + 1 - cut
        offset = end
