"""What the engine is given to read, and the way back to the customer's own offsets."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# A letter with the marks that may be written after it, and the parts of a Korean
# syllable: the engine knows the composed forms only.
_CLUSTER = re.compile(
    "[\u1100-\u115f][\u1160-\u11ff]+"
    "|.[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]*",
    re.DOTALL,
)
_ORNAMENT = re.compile(r"^(?:[^\w\n]|_)+$", re.MULTILINE)
_LETTER_STYLES = ("<font>", "<wide>", "<narrow>")
_SIGNS = {"\u2010": "-", "\u2011": "-", "\ufeff": ""}


def spoken(text: str) -> tuple[str, Sequence[int]]:
    """Return `text` as the engine reads it best, and where each character came from.

    Everything in the text is text: a control character would be a command to the engine
    and becomes a space. Accents are composed, letters that differ in style alone (full
    width, mathematical bold) are plain, and a line without letters or digits, an
    ornament between two paragraphs, is a pause.
    """
    characters: list[str] = []
    origins: list[int] = []
    for match in _CLUSTER.finditer(text):
        plain = _plain(match[0])
        characters.append(plain)
        origins.extend([match.start()] * len(plain))
    script = _ORNAMENT.sub(lambda line: "\n" * len(line[0]), "".join(characters))
    return script, origins


@lru_cache(maxsize=8192)
def _plain(cluster: str) -> str:
    """Return the form of one letter that the engine knows."""
    if len(cluster) > 1:
        return unicodedata.normalize("NFC", cluster)
    if cluster in _SIGNS:
        return _SIGNS[cluster]
    category = unicodedata.category(cluster)
    if category in ("Cc", "Cs", "Co", "Cn"):
        return cluster if cluster in "\t\n\r" else " "
    if unicodedata.decomposition(cluster).startswith(_LETTER_STYLES):
        return unicodedata.normalize("NFKC", cluster)
    return cluster
