"""Types of event. Each app declares its own, as module-level `EventType`s.

`settings.WEBHOOK_EVENT_MODULES` names the modules, so this app imports none of them; the
documentation, the schema and the check of subscriptions all read the same declarations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from django.conf import settings


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
    for name in settings.WEBHOOK_EVENT_MODULES:
        for value in vars(import_module(name)).values():
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
