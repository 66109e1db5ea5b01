"""Event types. Each app declares its own, as `EventType`s in a module.

Apps register these modules (`webhook_events`, in `kit.registry`), so this app doesn't
import them. The documentation, the schema and the validation of subscriptions read the same
declarations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from accounts.caller import Caller
from accounts.roles import Permission, has_permission
from kit.registry import registered


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type, with an example of its `data`."""

    name: str  # as in `noun.participle`
    summary: str  # for people, one sentence
    example: Mapping[str, Any] = field(hash=False)  # with its `environment`
    permission: Permission | None = None  # that a member needs to see its deliveries

    @property
    def example_text(self) -> str:
        """A complete example body, as indented JSON."""
        body = {
            "type": self.name,
            "timestamp": "2026-11-20T09:13:05.020Z",
            "data": self.example,
        }
        return json.dumps(body, indent=2, ensure_ascii=False)


@cache
def event_types() -> dict[str, EventType]:
    """Return all declared event types by name, in the order of their declaration."""
    found: dict[str, EventType] = {}
    modules = registered("webhook_events").values()
    for module in reversed(modules):  # the apps that users see come first
        for value in vars(module).values():
            if isinstance(value, EventType):
                assert found.setdefault(value.name, value) is value, value.name
    return found


def hidden_types(caller: Caller) -> list[str]:
    """Return the names of the event types whose deliveries the caller may not see."""
    if caller.is_operator:
        return []
    return [
        name
        for name, found in event_types().items()
        if found.permission and not has_permission(caller.member_role, found.permission)
    ]


TEST = EventType(
    "webhook.test",
    "Someone sent a test event to the endpoint.",
    {
        "message": "This is a test.",
        "endpoint_id": "019a9e61-5e3c-7b1d-8f35-b2a0ce51a7d1",
        "environment": None,
    },
)
