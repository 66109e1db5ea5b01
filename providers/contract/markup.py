"""Escape plain text for SSML."""

import re
from xml.sax.saxutils import escape

# Characters that XML 1.0 can't contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Return `text` escaped for XML; characters that XML can't contain become spaces."""
    return escape(_NOT_XML.sub(" ", text), {"'": "&apos;", '"': "&quot;"})
