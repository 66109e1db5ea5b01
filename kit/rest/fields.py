"""Serializer fields that check the JSON type instead of converting values."""

from typing import Any

from rest_framework import serializers

from kit.rest.lines import one_line


class TextField(serializers.CharField):
    """A string, kept as sent: numbers are refused, and white space is not trimmed.

    It has one line without control characters, unless `is_free` says that it may have any:
    a text to speak, or one that its rule validates more strictly.
    """

    def __init__(self, *, is_free: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)
        if not is_free:
            self.validators.append(one_line)

    def to_internal_value(self, data: Any) -> str:
        """Return `data`; fail unless it is a string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WholeNumberField(serializers.IntegerField):
    """An integer; a string with digits is refused."""

    def to_internal_value(self, data: Any) -> int:
        """Return `data`; fail unless it is an integer."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(super().to_internal_value(data))
