"""Parse and validate JSON request bodies."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser

from kit.errors import BodyTooLarge, MalformedJSON

_DEEPEST = 32  # levels of nesting; the API itself needs four
_DRAINED = 64 * 1024 * 1024  # bytes of an oversized body that are read and thrown away


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
            BodyTooLarge: it has more than DATA_UPLOAD_MAX_MEMORY_SIZE bytes.
            MalformedJSON: it is not a JSON object, or holds what can't be stored.
        """
        context = parser_context or {}
        body = read_body(context["request"])
        if not body.strip():
            return {}
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
    """Return the raw bytes of a DRF request's body, at most the limit of the settings.

    Raises:
        BodyTooLarge: there are more.
    """
    limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    wrapped = request._request  # DRF offers no other way to raw bytes
    length = int(wrapped.META.get("CONTENT_LENGTH") or 0)
    if length > limit:
        # Leaving the rest unread would reset the connection before the client has read
        # why.
        left = min(length, _DRAINED)
        while left > 0 and (chunk := wrapped.read(min(left, 65_536))):
            left -= len(chunk)
        raise BodyTooLarge(limit=limit)
    body: bytes = wrapped.body
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


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJSON(reason=f"{name} is not JSON")
