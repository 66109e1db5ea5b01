"""The base class of expected errors, in one shape for API, pages and admin."""

from collections.abc import Mapping
from http import HTTPStatus


class AppError(Exception):
    """An expected error: a rule refused the request. It is shown to the user, not logged.

    Subclasses set a stable `code` (part of the API contract), an HTTP `status` and a
    `message` for users, in which `{name}` is replaced by a parameter.
    """

    code = "error"
    status = HTTPStatus.BAD_REQUEST
    message = "This could not be done."

    def __init__(self, **params: object) -> None:
        self.params = params
        super().__init__(self.message.format(**params))

    @property
    def headers(self) -> Mapping[str, str]:
        """Return additional headers for the HTTP response."""
        if "retry_after" in self.params:
            return {"Retry-After": str(self.params["retry_after"])}
        return {}


class Invalid(AppError):
    """The request has invalid fields; `fields` maps each name to its errors."""

    code = "invalid"
    message = "Some fields are not valid."

    def __init__(self, fields: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.fields = fields or {}


class NotFound(AppError):
    """The object does not exist or belongs to another user; both look the same."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    message = "There is nothing here."


class MalformedJSON(AppError):
    """The request body is not a JSON object that we can store."""

    code = "malformed_json"
    message = "The body must be a JSON object: {reason}."


class BodyTooLarge(AppError):
    """The request body is larger than the limit."""

    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "The body is larger than {limit} bytes."


class RequestTimeout(AppError):
    """The request arrived too slowly."""

    code = "request_timeout"
    status = HTTPStatus.REQUEST_TIMEOUT
    message = "The request arrived too slowly. Please send it again."


class HeadersTooLarge(AppError):
    """The request line and the headers are larger than the limit."""

    code = "headers_too_large"
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    message = "The headers are larger than {limit} bytes."


class TooManyChunks(AppError):
    """A chunked request body has too many chunks."""

    code = "too_many_chunks"
    message = "The body has more than {limit} chunks. Please send longer chunks."


class RateLimited(AppError):
    """Too many requests; `retry_after` is the number of seconds to wait."""

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "Too many requests. Try again in {retry_after} seconds."


class Overloaded(AppError):
    """Too many requests, or too long ones, are in progress; nothing was changed."""

    code = "overloaded"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The service is too busy. Try again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the number of seconds to wait."""
        return {"Retry-After": "5"}


class IdempotencyMismatch(AppError):
    """An Idempotency-Key was sent again with another body."""

    code = "idempotency_mismatch"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "This Idempotency-Key was used for another request."


class IdempotencyInProgress(AppError):
    """The first request with this Idempotency-Key is still running."""

    code = "idempotency_in_progress"
    status = HTTPStatus.CONFLICT
    message = "The first request with this Idempotency-Key is still running."


class InvalidIdempotencyKey(AppError):
    """The Idempotency-Key header is empty, too long or not printable ASCII."""

    code = "invalid_idempotency_key"
    message = "An Idempotency-Key has 1 to 255 printable ASCII characters."
