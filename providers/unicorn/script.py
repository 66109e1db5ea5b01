"""What the engine is given to read, and the way back to the customer's own offsets."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# A letter with the marks that may be written after it, and the parts of a Korean
# syllable: the engine knows the composed forms only.
_CLUSTER = re.compile(
    "[\u1100-\u115f][\u1160-\u11ff]+"
    "|.[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]*",
    re.DOTALL,
)
_ORNAMENT = re.compile(r"^(?:[^\w\n]|_)+$", re.MULTILINE)
# Some languages' rules crash on one before a letter that they don't know.
_FATAL_HYPHEN = re.compile(r"(?:(?<=\W[^\w\s])|(?<=^[^\w\s]))-(?=[^\W\d])")
# The Vietnamese voices crash on the sounds of some letters of India, tones among them.
_FATAL_LETTERS = {"vi": re.compile("[\u0900-\u0dff]")}
_LETTER_STYLES = ("<font>", "<wide>", "<narrow>")
_SIGNS = {"\u2010": "-", "\u2011": "-", "\ufeff": ""}


@dataclass(frozen=True, slots=True)
class Script:
    """A text as the engine reads it best, and the way back.

    Everything in the text is text: a control character would be a command to the engine
    and becomes a space. Accents are composed, letters that differ in style alone (full
    width, mathematical bold) are plain, and a line without letters or digits, an
    ornament between two paragraphs, is a pause.
    """

    text: str
    origins: Sequence[tuple[int, int]]
    """For each character the stretch of the original text that it stands for."""


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
    """Return the form of one letter, with its marks, that the engine knows."""
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
