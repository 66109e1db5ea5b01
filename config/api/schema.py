"""The common parts of all operations in the OpenAPI schema: errors and headers."""

from collections.abc import Iterator
from typing import Any

_ERROR = {
    "type": "object",
    "description": "All errors have this shape.",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "For people."},
        "params": {
            "type": "object",
            "additionalProperties": True,
            "description": "The values in `detail`.",
        },
        "fields": {
            "type": "object",
            "additionalProperties": True,
            "description": "For code `invalid`: the errors of each field.",
        },
    },
}
_PARAMETERS = {
    "Environment": {
        "in": "header",
        "name": "X-Environment",
        "schema": {"type": "string", "enum": ["PRODUCTION", "SANDBOX"]},
        "description": "The environment, and so the wallet; by default the token's.",
    },
    "Workspace": {
        "in": "header",
        "name": "X-Workspace",
        "schema": {"type": "string", "format": "uuid"},
        "description": "With a cookie: the workspace; by default the personal one.",
    },
}
_METHODS = {"get", "put", "post", "patch", "delete"}


def describe_common_parts(
    result: dict[str, Any], **_: object
) -> dict[str, Any]:  # a postprocessing hook of drf-spectacular
    """Add the error response and the common headers to every operation."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = _ERROR
    components.setdefault("parameters", {}).update(_PARAMETERS)
    for operation in _operations(result):
        operation["responses"]["default"] = {
            "description": "An error.",
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
