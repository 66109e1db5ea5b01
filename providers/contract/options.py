"""Options of an adapter's requests besides text, voice and speed: types and ranges.

An adapter declares its options. They are validated with `problem` before a job is priced.
Nothing that makes a call cost more is ever an option.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several texts; the first is the default."""

    allowed: tuple[str, ...]

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`, for people; empty if it is valid."""
        is_valid = isinstance(value, str) and value in self.allowed
        return "" if is_valid else f"One of {', '.join(self.allowed)}."


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range that includes both ends."""

    low: float
    high: float

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`, for people; empty if it is valid."""
        is_valid = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and self.low <= value <= self.high  # which NaN is not
        )
        return "" if is_valid else f"A number from {self.low:g} to {self.high:g}."


@dataclass(frozen=True, slots=True)
class Text:
    """A non-empty text, which may have to match a pattern."""

    most: int  # characters
    form: str = ""  # a regular expression for the whole text
    hint: str = ""  # describes the form in errors

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`, for people; empty if it is valid."""
        is_valid = (
            isinstance(value, str)
            and 0 < len(value) <= self.most
            and (not self.form or re.fullmatch(self.form, value) is not None)
        )
        usual = f"A text of 1 to {self.most} characters."
        return "" if is_valid else self.hint or usual


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`, for people; empty if it is valid."""
        return "" if isinstance(value, bool) else "True or false."


Option = Choice | Number | Text | Flag
