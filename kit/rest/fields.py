"""Serializer fields that don't guess."""

from typing import Any

from rest_framework import serializers


class TextField(serializers.CharField):
    """Text as sent: a number is not text, and white space is left alone."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return `data`, which must be a string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WholeNumberField(serializers.IntegerField):
    """An integer, not a text that looks like one."""

    def to_internal_value(self, data: Any) -> int:
        """Return `data`, which must be an integer."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(super().to_internal_value(data))
