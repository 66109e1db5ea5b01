"""Split a text into words, the same way for everything that times words."""

import re
import unicodedata
from dataclasses import dataclass

# Some signs separate words without a space, among them all Chinese and Japanese stops and
# brackets. Several full stops or hyphens in a row stand for an ellipsis or a dash.
_GAP = re.compile(
    r"(?:[\s\u200b\x00-\x1f\x7f-\x9f—―…]|-{2,}|\.{2,}"
    r"|[\u3001\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1f])+"
)
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_OR_REST = re.compile(f"([{_HAN}])|[^{_HAN}]+")
_SPOKEN_SIGNS = "%‰&@#*§/\\"  # punctuation in Unicode, but spoken
_EDGES = {"Ps", "Pe", "Pi", "Pf", "Pd", "Pc", "Po"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of text between spaces, or one Chinese character."""

    start: int
    end: int
    word_start: int  # without quotes, brackets and stops around the word
    word_end: int
    has_letters: bool  # or digits; other units are rarely spoken
    is_attached: bool  # a Chinese character that follows another without a gap


def split(text: str) -> list[Unit]:
    """Return the units of `text` in order; offsets count code points.

    Signs within a unit stay in it (`don't`, `12.5%`, `well-known`, a URL). In scripts
    without spaces a unit reaches to the next space, but each Chinese character is a unit.
    """
    units = []
    position = 0
    for gap in [*_GAP.finditer(text), None]:
        stretch = (position, gap.start() if gap else len(text))
        position = gap.end() if gap else len(text)
        is_after_han = False
        for match in _HAN_OR_REST.finditer(text, *stretch):
            has_letters = any(map(str.isalnum, match[0]))
            start, end = match.span()
            while has_letters and _is_edge(text[start]):
                start += 1
            while has_letters and _is_edge(text[end - 1]):
                end -= 1
            is_han = match[1] is not None
            is_attached = is_han and is_after_han
            units.append(Unit(*match.span(), start, end, has_letters, is_attached))
            is_after_han = is_han
    return units


def _is_edge(character: str) -> bool:
    return unicodedata.category(character) in _EDGES and character not in _SPOKEN_SIGNS
