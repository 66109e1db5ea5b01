"""Parse and validate JSON request bodies."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.parsers import BaseParser

from kit.errors import MalformedJSON

_DEEPEST = 32  # levels of nesting; the API itself needs four
MAX_VALUES = 100_000
"""Items of lists and entries of objects together; the largest job has half as many."""
_MAX_QUOTES = 4 * MAX_VALUES  # two around each key and each text


class StrictJSONParser(BaseParser):
    """JSON (RFC 8259) that PostgreSQL can store: no NaN, NUL, lone surrogate or cycle.

    The Content-Type header is ignored: a body that is not JSON is an error.
    """

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object in the body.

        Raises:
            MalformedJSON: it is not a JSON object, holds what can't be stored, or more
                than MAX_VALUES values.
        """
        context = parser_context or {}
        body = read_body(context["request"])
        if not body.strip():
            return {}
        if _has_too_many_values(body):
            raise MalformedJSON(reason=f"it holds more than {MAX_VALUES} values")
        try:
            # Python's decoder recurses: its limit is far above ours, and reached first
            # by nesting alone, which is refused here all the same.
            data = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            raise MalformedJSON(reason="it is not UTF-8") from error
        except RecursionError as error:
            raise MalformedJSON(reason="it is nested too deeply") from error
        except ValueError as error:
            raise MalformedJSON(reason="it can't be read as JSON") from error
        if not isinstance(data, dict):
            raise MalformedJSON(reason="it is another kind of value")
        refuse_unstorable(data)
        return data


def read_body(request: Any) -> bytes:
    """Return the raw body of a DRF request; `config.web.bodies` has limited its size."""
    body: bytes = request._request.body  # DRF offers no other way to raw bytes
    return body


def refuse_unstorable(value: Any, depth: int = 0) -> None:
    """Raise MalformedJSON if `value` can't be stored or is nested too deeply."""
    if depth > _DEEPEST:
        raise MalformedJSON(reason="it is nested too deeply")
    if isinstance(value, str):
        if "\0" in value:
            raise MalformedJSON(reason="it holds a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise MalformedJSON(reason="it holds a lone surrogate") from error
    elif isinstance(value, float):
        if not math.isfinite(value):  # 1e999 is JSON, and infinity to Python
            raise MalformedJSON(reason="it holds a number beyond all measure")
    elif isinstance(value, dict):
        for key, inner in value.items():
            refuse_unstorable(key, depth + 1)
            refuse_unstorable(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            refuse_unstorable(inner, depth + 1)


def _has_too_many_values(body: bytes) -> bool:
    """Return whether `body` has more than MAX_VALUES JSON values, before parsing it.

    Counts the characters that start or separate values, outside of strings.
    """
    if _separators_in(body) <= MAX_VALUES:
        return False  # the usual case
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"")
    parts = plain.split(b'"', _MAX_QUOTES)
    if len(parts) > _MAX_QUOTES:
        return True
    return _separators_in(b"".join(parts[::2])) > MAX_VALUES


def _separators_in(text: bytes) -> int:
    return sum(map(text.count, (b",", b"[", b"{")))


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJSON(reason=f"{name} is not JSON")
