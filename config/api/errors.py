"""Error responses, all in one shape: `{"code", "detail", "params" or "fields"}`.

`exception_handler` handles exceptions in API views. The views below it handle errors before
or outside of them: as JSON under the API's paths, as a page elsewhere.
"""

import logging
import sys
from collections.abc import Mapping
from http import HTTPStatus
from itertools import takewhile
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest as DjangoBadRequest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import csrf, defaults
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from accounts.errors import (
    AuthenticationRequired,
    CSRFFailed,
    InvalidToken,
    NotAllowed,
)
from kit.errors import (
    AppError,
    BodyTooLarge,
    Invalid,
    MalformedJSON,
    NotFound,
    RateLimited,
)

logger = logging.getLogger(__name__)
_API_PATHS = ("/api/", "/v1/", "/hooks/")
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A
_DEADLOCK = "40P01"
_MAX_MESSAGES = 50  # in one response
_MAX_TEXT = 1000  # characters of a text in a response


class BadRequest(AppError):
    """The request is malformed."""

    code = "bad_request"
    message = "This request is malformed."


class MethodNotAllowed(AppError):
    """The URL does not support this method; the header `Allow` lists the others."""

    code = "method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED
    message = "This address does not support this method."


class UnsupportedMediaType(AppError):
    """The content type of the body is not supported."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "This content type is not supported."


class Busy(AppError):
    """Another request holds a lock that this one needs; nothing was changed."""

    code = "busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "Another request is changing this. Try again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """Return Retry-After in seconds."""
        return {"Retry-After": "1"}


class Unavailable(AppError):
    """The database is unavailable; the request may or may not have been completed."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The service is unavailable. Try again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """Return Retry-After in seconds."""
        return {"Retry-After": "2"}


class InternalError(AppError):
    """A bug; it is logged with the request's id."""

    code = "internal_error"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = "Something went wrong on our side. Tell us the X-Request-Id to find it."


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response for an exception in an API view.

    None means that it is a bug, which Django logs.
    """
    refusal = _as_app_error(error)
    if refusal is None:
        return None
    if isinstance(refusal, Busy | Unavailable):
        logger.warning("%s: %s", refusal.code, error)
    return Response(
        shape(refusal), status=refusal.status, headers=dict(refusal.headers)
    )


def shape(refusal: AppError) -> dict[str, object]:
    """Return the JSON body of an error response."""
    body: dict[str, object] = {"code": refusal.code, "detail": _shorten(str(refusal))}
    if isinstance(refusal, Invalid):
        return body | {"fields": _limited(refusal.fields, [_MAX_MESSAGES])}
    return body | {"params": _limited(refusal.params, [_MAX_MESSAGES])}


def _limited(value: object, left: list[int]) -> object:
    """Return `value` with the first messages only, long texts shortened.

    Messages may contain what the client sent, as often as it was sent. `left[0]` is the
    number of messages that may still follow.
    """
    match value:
        case Mapping():
            items = takewhile(lambda _: left[0] > 0, value.items())
            return {_shorten(str(key)): _limited(inner, left) for key, inner in items}
        case list() | tuple():
            parts = takewhile(lambda _: left[0] > 0, value)
            return [_limited(inner, left) for inner in parts]
    left[0] -= 1
    return _shorten(value) if isinstance(value, str) else value


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _as_app_error(error: BaseException) -> AppError | None:
    """Convert an exception to an AppError; return None for a bug."""
    match error:
        case AppError():
            return error
        case exceptions.ValidationError():
            return _invalid(error)
        case exceptions.NotAuthenticated():
            return AuthenticationRequired()
        case exceptions.AuthenticationFailed():
            return InvalidToken()
        case PermissionDenied() | exceptions.PermissionDenied():
            return NotAllowed()
        case Http404() | exceptions.NotFound():
            return NotFound()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed()
        case exceptions.Throttled():
            return RateLimited(retry_after=1)  # our own throttles raise RateLimited
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType()
        case exceptions.ParseError():
            return MalformedJSON(reason=str(error.detail))
        case DjangoBadRequest() if error.__cause__ is not None:
            return _as_app_error(error.__cause__)
        case UnreadablePostError():
            return MalformedJSON(reason="it was cut off")
        case RequestDataTooBig():
            return BodyTooLarge(limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        case OperationalError() if _sqlstate(error) in (_LOCK_NOT_AVAILABLE, _DEADLOCK):
            return Busy()
        case OperationalError() if _is_lost(error):
            return Unavailable()
    return None


def _is_lost(error: BaseException) -> bool:
    """Return whether the database could not be reached, or the connection was lost.

    An error of a statement has an SQLSTATE. Class 57P ends the connection (the server shuts
    down or starts), class 08 is a connection error; without one, there was no answer.
    """
    state = _sqlstate(error)
    return state is None or state.startswith(("08", "57P"))


def _invalid(error: exceptions.ValidationError) -> Invalid:
    if isinstance(error.detail, dict):
        return Invalid(error.detail)
    return Invalid({"non_field_errors": error.detail})


def _sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of the PostgreSQL error that Django has wrapped."""
    return getattr(error.__cause__, "sqlstate", None)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 400 response, or that of the AppError which caused `exception`."""
    refusal = _as_app_error(exception) or BadRequest()
    if _is_api(request):
        return _json(refusal)
    return _page(defaults.bad_request(request, exception), refusal)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 403 response."""
    if _is_api(request):
        return _json(NotAllowed())
    return defaults.permission_denied(request, exception)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return a 403 response for a form without a valid CSRF token."""
    if _is_api(request):
        return _json(CSRFFailed())
    return csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 404 response."""
    if _is_api(request):
        return _json(NotFound())
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return a 500 response, or 503 if the database is down; Django logs the error."""
    error = sys.exc_info()[1]  # this handler runs while the exception is handled
    is_unavailable = error is not None and isinstance(_as_app_error(error), Unavailable)
    refusal = Unavailable() if is_unavailable else InternalError()
    if _is_api(request):
        return _json(refusal)
    return _page(defaults.server_error(request), refusal)


def _page(page: HttpResponse, refusal: AppError) -> HttpResponse:
    """Return `page` with the status and the headers of `refusal`."""
    page.status_code = refusal.status
    for name, value in refusal.headers.items():
        page[name] = value
    return page


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(_API_PATHS)


def _json(refusal: AppError) -> HttpResponse:
    return HttpResponse(
        JSONRenderer().render(shape(refusal)),
        content_type="application/json",
        status=refusal.status,
        headers=dict(refusal.headers),
    )
