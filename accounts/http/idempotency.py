"""Read the Idempotency-Key of API requests, and build their responses."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.caller import caller_of
from kit import idempotency
from kit.rest.parsers import read_body

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A repeated key and body return the first answer again, for 24 hours.",
)
"""For the schema of operations that create something or cost money."""


def idempotency_key(
    request: Request, *, is_personal: bool = False
) -> idempotency.Key | None:
    """Return the request's Idempotency-Key with its scope; None if it has none.

    The scope is workspace, environment, method and path, so a retry by cookie finds the
    first request by token. With `is_personal` the user is part of it, so that a member
    never gets the answer to another member's request with the same key.
    """
    caller = caller_of(request)
    subject = caller.subject
    if is_personal and caller.user:
        subject = f"{subject} {caller.user.pk}"
    return idempotency.read_key(
        request.headers.get("Idempotency-Key"),
        scope=f"{subject} {caller.environment} {request.method} {request.path}",
        body=read_body(request),
    )


def respond(answer: idempotency.Answer) -> Response:
    """Return the response for an answer, with Idempotent-Replayed if it is a replay."""
    response = Response(answer.body, status=answer.status)
    if answer.replayed:
        response["Idempotent-Replayed"] = "true"
    return response
