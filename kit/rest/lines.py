"""Texts of one line, such as names and titles: the validator of all doors.

A line break in a name would write a paragraph of its own into a mail, and a character that
reverses the writing would make it look like another name.
"""

import unicodedata

from django.core.exceptions import ValidationError

_REFUSED = {"Cc", "Zl", "Zp", "Cs"}  # control, line and paragraph separator, surrogate
_REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> None:
    """Raise ValidationError if `text` has line breaks, control or reversing characters."""
    if not all(map(_is_of_a_line, text)):
        raise ValidationError(
            "Use one line, without control characters.", code="not_one_line"
        )


def to_one_line(text: str) -> str:
    """Return `text` with a space in the place of each character that `one_line` refuses.

    For texts that nobody could correct, such as the name of a browser.
    """
    return "".join(char if _is_of_a_line(char) else " " for char in text)


def _is_of_a_line(char: str) -> bool:
    return char.isalnum() or (
        unicodedata.category(char) not in _REFUSED and char not in _REVERSING
    )
