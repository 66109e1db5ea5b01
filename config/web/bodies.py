"""Limits for request bodies, applied before anything else reads the request."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponseBase, UnreadablePostError
from gunicorn.http.errors import ParseException

from kit.errors import AppError, BodyTooLarge, RequestTimeout


class ReadBody:
    """Middleware: read the body, up to the limit of the path.

    Both the Content-Length and the bytes that arrive are limited. This middleware comes
    before sessions and authentication, so no database connection is held while the body
    arrives. A chunked body gets a Content-Length: Django would ignore it otherwise.
    """

    def __init__(self, get_response: Callable[[WSGIRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: WSGIRequest) -> HttpResponseBase:
        """Process `request`.

        Raises:
            BadRequest: the body is refused; `config.api.errors` answers with its cause.
        """
        if request.path_info not in settings.STREAMED_BODIES:
            try:
                _read(request, limit_of(request.path_info))
            except (AppError, UnreadablePostError) as refusal:
                raise BadRequest from refusal
        return self.get_response(request)


def limit_of(path: str) -> int:
    """Return the largest body in bytes that a request to `path` may have."""
    return next(
        limit
        for prefix, limit in settings.BODY_LIMITS.items()
        if path.startswith(prefix)
    )


def _read(request: WSGIRequest, limit: int) -> None:
    """Read the body of `request` into memory; `request.body` returns it.

    Raises:
        BodyTooLarge: it has, or announces, more than `limit` bytes.
        RequestTimeout: it arrives too slowly.
        UnreadablePostError: it is incomplete, or its chunks are invalid.
    """
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    is_chunked = "HTTP_TRANSFER_ENCODING" in request.META
    if length > limit:
        raise BodyTooLarge(limit=limit)
    if length == 0 and not is_chunked:
        return
    stream: Any = request.META["wsgi.input"]
    try:
        body: bytes = stream.read(limit + 1 if is_chunked else length)
    except TimeoutError as error:
        raise RequestTimeout from error
    except (OSError, ParseException) as error:
        raise UnreadablePostError(*error.args) from error
    if len(body) > limit:
        raise BodyTooLarge(limit=limit)
    if len(body) < length:
        raise UnreadablePostError("the body is incomplete")
    request._body = body
    request._stream = BytesIO(body)
    request.META["CONTENT_LENGTH"] = str(len(body))
