"""Describe the declared event types in the OpenAPI schema."""

from typing import Any

from webhooks.events import EventType, event_types

_HEADERS = {
    "webhook-id": "ID of the event, the same at every attempt. Skip IDs that you know.",
    "webhook-timestamp": "Time of this attempt, in seconds of Unix time.",
    "webhook-signature": (
        "`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; two of them, with a"
        " space between, for 24 hours after the secret was changed."
    ),
}


def describe_events(
    result: dict[str, Any], **_: object
) -> dict[str, Any]:  # a postprocessing hook of drf-spectacular
    """Add each event type as a request that we send.

    OpenAPI 3.1 has the field `webhooks` for them; for 3.0 there is an extension.
    """
    place = "x-webhooks" if result["openapi"].startswith("3.0") else "webhooks"
    result[place] = {
        found.name: {"post": _operation(found)} for found in event_types().values()
    }
    return result


def _operation(found: EventType) -> dict[str, Any]:
    example = {
        "type": found.name,
        "timestamp": "2026-11-20T09:13:05.020Z",
        "data": found.example,
    }
    body = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "enum": [found.name]},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "additionalProperties": True},
        },
    }
    return {
        "operationId": f"event_{found.name.replace('.', '_')}",
        "summary": found.summary,
        "tags": ["webhooks"],
        "parameters": [
            {
                "in": "header",
                "name": name,
                "required": True,
                "schema": {"type": "string"},
                "description": text,
            }
            for name, text in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": example}},
        },
        "responses": {"2XX": {"description": "The event has arrived."}},
    }
