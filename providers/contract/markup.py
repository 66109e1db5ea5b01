"""Escape plain text for SSML, and take from it what a vendor reads as instructions.

Each function but `escaped` keeps the length of the text, and so all offsets in it.
"""

import re
from xml.sax.saxutils import escape

# Characters that XML 1.0 can't contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Return `text` escaped for XML; characters that XML can't contain become spaces."""
    return escape(_NOT_XML.sub(" ", text), {"'": "&apos;", '"': "&quot;"})


_BACKSLASHED = re.compile(r"\\(?=[{}])")
_ROUND = str.maketrans("[]", "()")
_TAG = re.compile(r"<(/?(?:break|emotion|speed|spell|volume)\b[^<>]*)>", re.IGNORECASE)
_LAUGHTER = re.compile(r"\[(laughter)\]", re.IGNORECASE)
_IN_SLASHES = re.compile(r"(?<![\w/])/([^/\n]{1,60})/(?![\w/])")


def without_brackets(text: str) -> str:
    """Return `text` with round brackets for square ones, which some models obey."""
    return text.translate(_ROUND)


def without_backslashes(text: str) -> str:
    """Return `text` with spaces for backslashes before braces: `\\{pause:500ms\\}`."""
    return _BACKSLASHED.sub(" ", text)


def without_tags(text: str) -> str:
    """Return `text` with round brackets around the tags that Cartesia obeys."""
    return _LAUGHTER.sub(r"(\1)", _TAG.sub(r"(\1)", text))


def without_slashes(text: str) -> str:
    """Return `text` with spaces for slashes around words, which are read as IPA."""
    return _IN_SLASHES.sub(r" \1 ", text)
