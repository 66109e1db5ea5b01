"""What the product refuses, in one shape for every door."""

from collections.abc import Mapping
from http import HTTPStatus


class AppError(Exception):
    """A rule of the product said no: expected, shown to the person, never an incident.

    Subclasses give a stable `code` (part of the contract with clients), a `status` and a
    `message` for people, in which `{name}` stands for a parameter.
    """

    code = "error"
    status = HTTPStatus.BAD_REQUEST
    message = "This could not be done."

    def __init__(self, **params: object) -> None:
        self.params = params
        super().__init__(self.message.format(**params))

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the HTTP answer carries besides."""
        if "retry_after" in self.params:
            return {"Retry-After": str(self.params["retry_after"])}
        return {}


class Invalid(AppError):
    """The request has fields that can't be used; `fields` says which and why."""

    code = "invalid"
    message = "Some fields are not valid."

    def __init__(self, fields: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.fields = fields or {}


class NotFound(AppError):
    """The thing does not exist, or belongs to somebody else: nobody can tell which."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    message = "There is nothing here."


class MalformedJSON(AppError):
    """The body is not a JSON object that we can store."""

    code = "malformed_json"
    message = "The body must be a JSON object: {reason}."


class BodyTooLarge(AppError):
    """The body is longer than any request can be."""

    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "The body is larger than {limit} bytes."


class RateLimited(AppError):
    """Too many requests; `retry_after` says in how many seconds to come back."""

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "Too many requests. Try again in {retry_after} seconds."


class IdempotencyMismatch(AppError):
    """An Idempotency-Key came again with another body."""

    code = "idempotency_mismatch"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = "This Idempotency-Key was used for another request."


class IdempotencyInProgress(AppError):
    """The first request with this Idempotency-Key still runs."""

    code = "idempotency_in_progress"
    status = HTTPStatus.CONFLICT
    message = "The first request with this Idempotency-Key is still running."


class InvalidIdempotencyKey(AppError):
    """The header holds no usable key."""

    code = "invalid_idempotency_key"
    message = "An Idempotency-Key has 1 to 255 printable ASCII characters."
