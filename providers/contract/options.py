"""What may be asked of an adapter besides text, voice and speed: names, types and ranges.

An adapter declares its options; those who take them from customers check them here, before
anything is priced. What would make a call dearer is never among them.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few texts; the first is what goes without saying."""

    allowed: tuple[str, ...]

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`; empty: nothing."""
        is_good = isinstance(value, str) and value in self.allowed
        return "" if is_good else f"One of {', '.join(self.allowed)}."


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range, its ends included."""

    low: float
    high: float

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`; empty: nothing."""
        is_good = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and self.low <= value <= self.high  # which NaN is not
        )
        return "" if is_good else f"A number from {self.low:g} to {self.high:g}."


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty, of a certain form if there is one."""

    most: int  # characters
    form: str = ""  # a regular expression for all of it
    hint: str = ""  # the form, for people

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`; empty: nothing."""
        is_good = (
            isinstance(value, str)
            and 0 < len(value) <= self.most
            and (not self.form or re.fullmatch(self.form, value) is not None)
        )
        usual = f"A text of 1 to {self.most} characters."
        return "" if is_good else self.hint or usual


Option = Choice | Number | Text
