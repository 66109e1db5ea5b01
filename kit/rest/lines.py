"""Texts of one line, such as names and titles: the validator of all doors.

A line break in a name would write a paragraph of its own into a mail, and a character that
reverses the writing would make it look like another name.
"""

import re

from django.core.exceptions import ValidationError

# Control characters, separators of lines and paragraphs, characters that reverse the
# writing, and halves of surrogate pairs.
_REFUSED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def one_line(text: str) -> None:
    """Raise ValidationError if `text` has line breaks, control or reversing characters."""
    if _REFUSED.search(text):
        raise ValidationError(
            "Use one line, without control characters.", code="not_one_line"
        )


def to_one_line(text: str) -> str:
    """Return `text` with a space in the place of each character that `one_line` refuses.

    For texts that nobody could correct, such as the name of a browser.
    """
    return _REFUSED.sub(" ", text)
