"""Prepare a text for the engine, with a mapping back to offsets in the original."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
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
# Compatibility forms that sound as their plain form does: mathematical, full-width and
# half-width letters, the forms of Arabic letters within words, squared units, numbers in
# circles. Others mean something else (x², ½) or are no forms at all (Thai sara am).
_LETTER_STYLES = (
    *("<font>", "<wide>", "<narrow>", "<square>", "<circle>"),
    *("<initial>", "<medial>", "<final>", "<isolated>"),
)
_COMPATIBLE = re.compile(
    "[\u0132\u0133\u017f\u01c4-\u01cc\u01f1-\u01f3\u2160-\u217f\ufb00-\ufb4f]"
)
_SIGNS = {"\u2010": "-", "\u2011": "-", "\ufeff": "", "\u066b": ".", "\u066c": ","}
HAN = re.compile(
    "[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Marks that the voices spell out letter by letter. Without them they read the word.
_UNREAD = {"he": re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")}


@dataclass(frozen=True, slots=True)
class Script:
    """A text prepared for the engine, with the origin of each character.

    Control characters, which would be commands to the engine, become spaces. Accents are
    composed. Letters that differ only in style (full width, mathematical bold) become
    plain, and so do ligatures. Digits of all scripts become ASCII. A line without letters
    or digits, such as an ornament between two paragraphs, becomes a pause.
    """

    text: str
    origins: Sequence[tuple[int, int]]
    """For each character of `text`, the start and end of its origin in the original."""

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> "Script":
        """Return the script with stretches replaced: (start, end, new text), in order.

        If the new text has another length, each of its characters comes from the whole
        stretch; if the stretch is empty, from nothing.
        """
        parts: list[str] = []
        origins: list[tuple[int, int]] = []
        place = 0
        for start, end, new in edits:
            parts += (self.text[place:start], new)
            origins += self.origins[place:start]
            if len(new) == end - start:
                origins += self.origins[start:end]
            elif start < end:
                source = (self.origins[start][0], self.origins[end - 1][1])
                origins += [source] * len(new)
            else:
                before = self.origins[start - 1][1] if start else 0
                origins += [(before, before)] * len(new)
            place = end
        if not parts:
            return self
        parts.append(self.text[place:])
        origins += self.origins[place:]
        return Script("".join(parts), origins)


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
    known = language.partition("-")[0]
    if fatal := _FATAL_LETTERS.get(known):
        script = fatal.sub(" ", script)
    script = _ORNAMENT.sub(lambda line: "\n" * len(line[0]), script)
    made = Script(_FATAL_HYPHEN.sub(" ", script), origins)
    if unread := _UNREAD.get(known):
        made = made.edited((*mark.span(), "") for mark in unread.finditer(made.text))
    return made


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
    if category == "Nd":
        return str(unicodedata.digit(cluster))
    is_style = unicodedata.decomposition(cluster).startswith(_LETTER_STYLES)
    if is_style or _COMPATIBLE.match(cluster):
        plain = unicodedata.normalize("NFKC", cluster)
        # The full-width comma is one without a space after it, the plain one is not.
        return plain if any(map(str.isalnum, plain)) else cluster
    return cluster
