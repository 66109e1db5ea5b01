"""What counts as a word of a text, for everything that gives times to words."""

import re
import unicodedata
from dataclasses import dataclass

# A few signs separate words without a space, all Chinese and Japanese stops and brackets
# among them. Runs of full stops or hyphens are typed in place of an ellipsis or a dash.
_GAP = re.compile(
    r"(?:[\s\u200b\x00-\x1f\x7f-\x9f—―…]|-{2,}|\.{2,}"
    r"|[\u3001\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1f])+"
)
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_OR_REST = re.compile(f"([{_HAN}])|[^{_HAN}]+")
_SPOKEN_SIGNS = "%‰&@#*§/\\"  # they are punctuation to Unicode, and heard
_EDGES = {"Ps", "Pe", "Pi", "Pf", "Pd", "Pc", "Po"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of text between spaces, or one Chinese character."""

    start: int
    end: int
    word_start: int  # without the quotes, brackets and stops around the word
    word_end: int
    has_letters: bool  # or digits: else it is heard only if a voice says so
    is_attached: bool  # one Chinese character right after another


def split(text: str) -> list[Unit]:
    """Return the units of `text` in order; offsets are code points.

    Units keep what is inside them (`don't`, `12.5%`, `well-known`, an address). Scripts
    without spaces are one unit to the next space, but Chinese characters are one each.
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
