"""What the views of all apps share: repeated requests and their answers."""

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
    description="The same key and body again give the first answer again, for 24 hours.",
)
"""For the schema of whatever makes something or costs money."""


def idempotency_key(
    request: Request, *, is_personal: bool = False
) -> idempotency.Key | None:
    """Return the request's Idempotency-Key, valid for this caller and this route.

    Workspace, environment, method and path are its scope, so a retry through the other
    door meets the first request. With `is_personal` so is the person: what one member
    makes for themselves is no answer to another who chose the same key.
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
    """Turn an answer into a response that says whether it is a replay."""
    response = Response(answer.body, status=answer.status)
    if answer.replayed:
        response["Idempotent-Replayed"] = "true"
    return response
