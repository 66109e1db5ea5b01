"""Chapters: a text is cut where a reader sees a heading.

A heading is a Markdown heading (`# Title`), or a short line between blank lines that begins
like one ("Chapter 3", "Part Two", "Kapitel 4. Der Brief", "Prologue").
"""

import re
from dataclasses import dataclass

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
    """A heading with the text below it; the heading is spoken too."""

    title: str
    text: str


def chapters_of(text: str) -> list[Chapter]:
    """Cut `text` at its headings; what stands before the first one has no title.

    A text without headings is one chapter. Nothing is lost but the `#` of Markdown.
    """
    chapters: list[Chapter] = []
    title, lines = "", list[str]()
    rows = text.replace("\r\n", "\n").split("\n")
    for number, row in enumerate(rows):
        alone = (number == 0 or not rows[number - 1].strip()) and (
            number + 1 == len(rows) or not rows[number + 1].strip()
        )
        heading = _heading(row.strip(), alone=alone)
        if heading is None:
            lines.append(row)
            continue
        _close(chapters, title, lines)
        title, lines = heading[:200], [heading]
    _close(chapters, title, lines)
    return chapters or [Chapter("", text)]


def _heading(line: str, *, alone: bool) -> str | None:
    if found := _MARKDOWN.fullmatch(line):
        return found["title"].rstrip("# \t") or found["title"]
    if alone and (_NUMBERED.fullmatch(line) or _ALONE.fullmatch(line)):
        return line
    return None


def _close(chapters: list[Chapter], title: str, lines: list[str]) -> None:
    body = "\n".join(lines).strip()
    if body:
        chapters.append(Chapter(title, body))
