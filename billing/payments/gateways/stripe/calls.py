"""Call Stripe's API: form fields in, JSON out."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from accounts.caller import Environment
from billing.errors import GatewayOff
from billing.payments.gateways.client import Client

VERSION = "2026-08-26.dahlia"
_PER_PAGE = 100

Object = dict[str, Any]


def key_of(environment: Environment) -> str:
    """Return the secret key for an environment; empty if it is not set.

    A key of the other mode counts as not set: test mode is the sandbox, and nothing else.
    """
    key = settings.STRIPE_KEYS[environment.value]
    mode = "live" if environment == Environment.PRODUCTION else "test"
    return str(key) if key.startswith((f"sk_{mode}_", f"rk_{mode}_")) else ""


class Api:
    """Stripe's API in one mode."""

    def __init__(self, environment: Environment) -> None:
        key = key_of(environment)
        if not key:
            raise GatewayOff(gateway="stripe")
        headers = {"Authorization": f"Bearer {key}", "Stripe-Version": VERSION}
        self._client = Client(settings.STRIPE_BASE_URL, headers)

    def get(self, path: str, **query: Any) -> Object:
        """Return the object at a path below `/v1/`; see `Client.call`."""
        found: Object = self._client.call(
            "GET", f"/v1/{path}", query=dict(_flat(query))
        )
        return found

    def post(self, path: str, fields: Mapping[str, Any], *, key: str) -> Object:
        """Create or change something, once for each `key`; return it.

        A `Client.call`, whose GatewayRefused has Stripe's error.
        """
        made: Object = self._client.call(
            "POST",
            f"/v1/{path}",
            form=dict(_flat(fields)),
            headers={"Idempotency-Key": key},
        )
        return made

    def delete(self, path: str) -> None:
        """Delete or cancel something; see `Client.call`."""
        self._client.call("DELETE", f"/v1/{path}")

    def all(self, path: str, **query: Any) -> Iterator[Object]:
        """Yield the objects of a list, page by page."""
        query["limit"] = _PER_PAGE
        while True:
            page = self.get(path, **query)
            yield from page["data"]
            if not page.get("has_more") or not page["data"]:
                return
            query["starting_after"] = page["data"][-1]["id"]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested values as form fields: `a[b][0]`. What is None is left out."""
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _flat(inner, f"{name}[{key}]" if name else str(key))
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _flat(inner, f"{name}[{number}]")
        case None:
            pass
        case bool():
            yield name, "true" if value else "false"
        case _:
            yield name, str(value)
