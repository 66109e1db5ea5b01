"""Plain text inside SSML."""

import re
from xml.sax.saxutils import escape

# What XML 1.0 can't hold at all, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Return `text` so that XML means it, without the characters that XML can't hold."""
    return escape(_NOT_XML.sub(" ", text), {"'": "&apos;", '"': "&quot;"})
