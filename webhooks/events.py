"""Types of event. Each app declares its own, as module-level `EventType`s.

Apps register these modules (`webhook_events`, in `kit.registry`), so this app imports none
of them; the documentation, the schema and the check of subscriptions all read the same
declarations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kit.registry import registered


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event, with an example of its `data`."""

    name: str  # as in `noun.participle`
    summary: str  # for people, one sentence
    example: Mapping[str, Any] = field(hash=False)  # with its `environment`

    @property
    def example_text(self) -> str:
        """A whole body, for people to read."""
        body = {
            "type": self.name,
            "timestamp": "2026-11-20T09:13:05.020Z",
            "data": self.example,
        }
        return json.dumps(body, indent=2, ensure_ascii=False)


@cache
def event_types() -> dict[str, EventType]:
    """Return all declared types by name, in the order of their declaration."""
    found: dict[str, EventType] = {}
    modules = registered("webhook_events").values()
    for module in reversed(modules):  # those of the apps that people see first
        for value in vars(module).values():
            if isinstance(value, EventType):
                assert found.setdefault(value.name, value) is value, value.name
    return found


TEST = EventType(
    "webhook.test",
    "Somebody pressed the button that tries an endpoint out.",
    {
        "message": "This is a test.",
        "endpoint_id": "019a9e61-5e3c-7b1d-8f35-b2a0ce51a7d1",
        "environment": None,
    },
)
