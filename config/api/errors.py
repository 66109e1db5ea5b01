"""One shape for everything that goes wrong: `{"code", "detail", "params" or "fields"}`.

`exception_handler` serves the views of the API; the views below it serve what fails
before or outside of one, as JSON under the API's paths and as a page elsewhere.
"""

import logging
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
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


class BadRequest(AppError):
    """The request can't be understood at all."""

    code = "bad_request"
    message = "This request can't be understood."


class MethodNotAllowed(AppError):
    """The address exists, but not for this method; the header `Allow` names the others."""

    code = "method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED
    message = "This address does not answer to this method."


class UnsupportedMediaType(AppError):
    """The body is of a kind that is not read here."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "A body of this type is not read here."


class Busy(AppError):
    """Somebody else holds what this request needs; nothing was changed."""

    code = "busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "This is being changed by somebody else. Try again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """Say when to come back."""
        return {"Retry-After": "1"}


class Unavailable(AppError):
    """The database does not answer; whether it did what it was asked is not known."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The service is not available just now. Try again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """Say when to come back."""
        return {"Retry-After": "2"}


class InternalError(AppError):
    """A mistake of ours; the log has it under the request's id."""

    code = "internal_error"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = "Something went wrong on our side. The X-Request-Id helps us to find it."


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer a failure of an API view; None leaves a bug to Django, which logs it."""
    refusal = _as_refusal(error)
    if refusal is None:
        return None
    if isinstance(refusal, Busy | Unavailable):
        logger.warning("%s: %s", refusal.code, error)
    return Response(
        shape(refusal), status=refusal.status, headers=dict(refusal.headers)
    )


def shape(refusal: AppError) -> dict[str, object]:
    """Return the body that tells `refusal`."""
    body: dict[str, object] = {"code": refusal.code, "detail": str(refusal)}
    if isinstance(refusal, Invalid):
        return body | {"fields": refusal.fields}
    return body | {"params": refusal.params}


def _as_refusal(error: BaseException) -> AppError | None:
    """Return the product's own word for `error`; None for a bug."""
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
            return RateLimited(retry_after=1)  # ours say for how long themselves
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType()
        case exceptions.ParseError():
            return MalformedJSON(reason=str(error.detail))
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
    """Whether the database was left or not reached: nobody knows the reason better.

    A statement that it has refused has a code; those of class 57 end the connection (it
    shuts down or starts), those of class 08 say that there is none.
    """
    state = _sqlstate(error)
    return state is None or state.startswith(("08", "57P"))


def _invalid(error: exceptions.ValidationError) -> Invalid:
    if isinstance(error.detail, dict):
        return Invalid(error.detail)
    return Invalid({"non_field_errors": error.detail})


def _sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's own code for what Django has wrapped."""
    return getattr(error.__cause__, "sqlstate", None)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, or 413 for a body beyond all limits."""
    if _is_api(request):
        return _json(_as_refusal(exception) or BadRequest())
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    if _is_api(request):
        return _json(NotAllowed())
    return defaults.permission_denied(request, exception)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that came without its CSRF token."""
    if _is_api(request):
        return _json(CSRFFailed())
    return csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    if _is_api(request):
        return _json(NotFound())
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 without the database; Django has logged the error by now."""
    error = sys.exc_info()[1]  # the handler runs while it is dealt with
    is_away = error is not None and isinstance(_as_refusal(error), Unavailable)
    refusal = Unavailable() if is_away else InternalError()
    if _is_api(request):
        return _json(refusal)
    page = defaults.server_error(request)
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
