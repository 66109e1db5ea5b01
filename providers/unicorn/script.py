"""Prepare a text for the engine, with a mapping back to offsets in the original."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# A letter with its combining marks, or the parts of a Korean syllable: the engine knows
# only the composed forms.
_CLUSTER = re.compile(
    "[\u1100-\u115f][\u1160-\u11ff]+"
    "|.[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]*",
    re.DOTALL,
)
_ORNAMENT = re.compile(r"^(?:[^\w\n]|_)+$", re.MULTILINE)
# The rules of some languages crash on a hyphen before a letter that they don't know.
_FATAL_HYPHEN = re.compile(r"(?:(?<=\W[^\w\s])|(?<=^[^\w\s]))-(?=[^\W\d])")
# The Vietnamese voices crash on some letters and tone marks of Indian scripts.
_FATAL_LETTERS = {"vi": re.compile("[\u0900-\u0dff]")}
_LETTER_STYLES = ("<font>", "<wide>", "<narrow>")
_SIGNS = {"\u2010": "-", "\u2011": "-", "\ufeff": ""}


@dataclass(frozen=True, slots=True)
class Script:
    """A text prepared for the engine, with the origin of each character.

    Control characters, which would be commands to the engine, become spaces. Accents are
    composed. Letters that differ only in style (full width, mathematical bold) become
    plain. A line without letters or digits, such as an ornament between two paragraphs,
    becomes a pause.
    """

    text: str
    origins: Sequence[tuple[int, int]]
    """For each character of `text`, the start and end of its origin in the original."""


def make_script(text: str, language: str = "") -> Script:
    """Return the script for `text`, to be read in `language` (BCP 47)."""
    characters: list[str] = []
    origins: list[tuple[int, int]] = []
    for match in _CLUSTER.finditer(text):
        plain = _plain(match[0])
        characters.append(plain)
        start, end = match.span()
        if len(plain) == end - start:
            origins.extend((place, place + 1) for place in range(start, end))
        else:
            origins.extend([(start, end)] * len(plain))
    script = "".join(characters)
    if fatal := _FATAL_LETTERS.get(language.partition("-")[0]):
        script = fatal.sub(" ", script)
    script = _ORNAMENT.sub(lambda line: "\n" * len(line[0]), script)
    return Script(_FATAL_HYPHEN.sub(" ", script), origins)


@lru_cache(maxsize=8192)
def _plain(cluster: str) -> str:
    """Return a letter with its marks in the form that the engine knows."""
    if len(cluster) > 1:
        return "".join(map(_plain, unicodedata.normalize("NFC", cluster)))
    if cluster in _SIGNS:
        return _SIGNS[cluster]
    category = unicodedata.category(cluster)
    if category in ("Cc", "Cs", "Co", "Cn"):
        return cluster if cluster in "\t\n\r" else " "
    if unicodedata.decomposition(cluster).startswith(_LETTER_STYLES):
        return unicodedata.normalize("NFKC", cluster)
    return cluster
