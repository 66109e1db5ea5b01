"""What the OpenAPI schema says of every operation: its errors and its common headers."""

from collections.abc import Iterator
from typing import Any

_ERROR = {
    "type": "object",
    "description": "Every refusal and failure has this shape.",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "For people."},
        "params": {
            "type": "object",
            "additionalProperties": True,
            "description": "The figures that `detail` speaks of.",
        },
        "fields": {
            "type": "object",
            "additionalProperties": True,
            "description": "For code `invalid`: what is wrong, by field.",
        },
    },
}
_PARAMETERS = {
    "Environment": {
        "in": "header",
        "name": "X-Environment",
        "schema": {"type": "string", "enum": ["PRODUCTION", "SANDBOX"]},
        "description": "Which wallet is meant; by default that of the token.",
    },
    "Workspace": {
        "in": "header",
        "name": "X-Workspace",
        "schema": {"type": "string", "format": "uuid"},
        "description": "With a cookie: another workspace than the personal one.",
    },
}
_METHODS = {"get", "put", "post", "patch", "delete"}


def describe_common_parts(
    result: dict[str, Any], **_: object
) -> dict[str, Any]:  # a postprocessing hook of drf-spectacular
    """Add the shape of errors and the headers that every operation knows."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = _ERROR
    components.setdefault("parameters", {}).update(_PARAMETERS)
    for operation in _operations(result):
        operation["responses"]["default"] = {
            "description": "Refused or failed.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
            },
        }
        operation.setdefault("parameters", []).extend(
            {"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS
        )
    return result


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in schema["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                yield operation
