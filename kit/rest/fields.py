"""Serializer fields that check the JSON type instead of converting values."""

from typing import Any

from rest_framework import serializers

from kit.rest.lines import one_line

_MAX_ERRORS = 20  # of the items of one list


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


class CountedListField(serializers.ListField):
    """A list of at most `max_length` items, counted before the first one is validated.

    Validation stops after 20 invalid items.
    """

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return the validated items."""
        assert self.max_length is not None
        if len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        valid: list[Any] = []
        errors: dict[Any, Any] = {}
        for index, item in enumerate(data):
            try:
                valid.append(self.child.run_validation(item))
            except serializers.ValidationError as error:
                errors[index] = error.detail
                if len(errors) == _MAX_ERRORS:
                    break
        if errors:
            raise serializers.ValidationError(errors)
        return valid


class CountedDictField(serializers.DictField):
    """An object of at most `max_length` entries, counted before one is validated."""

    default_error_messages = {
        "max_length": "Ensure this field has no more than {max_length} entries."
    }

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        self.max_length = max_length
        super().__init__(**kwargs)

    def run_child_validation(self, data: Any) -> Any:
        """Return the validated entries."""
        if len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().run_child_validation(data)
