"""Request ids, client addresses, and JSON as the only response format."""

import ipaddress
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation

from kit.ids import new_id

_current_id: ContextVar[str] = ContextVar("request_id", default="-")
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    """Middleware: assign an id to each request, for its response and its log lines.

    A client's own `X-Request-Id` is used if it is safe to log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with the header `X-Request-Id`."""
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else str(new_id())
        token = _current_id.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            _current_id.reset(token)
        response["X-Request-Id"] = request_id
        return response


class NoStore:
    """Middleware: no cache keeps a response of the API, unless its view says otherwise.

    Most of them have personal data, and some have a secret.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, with `Cache-Control: no-store` below /api/."""
        response = self.get_response(request)
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def current_request_id() -> str:
    """Return the id of the current request; `-` outside of requests."""
    return _current_id.get()


class RequestIdFilter(logging.Filter):
    """Logging filter: add the current request's id to each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.request_id`; return True, as no record is dropped."""
        record.request_id = _current_id.get()
        return True


def client_address(request: HttpRequest) -> str:
    """Return the IP address of the client, as the outermost of our own proxies saw it.

    With `TRUSTED_PROXY_COUNT` = n, this is the n-th entry of X-Forwarded-For from the
    right, which our own proxy wrote. Entries to the left of it come from the client and
    are ignored. With 0 the whole header is ignored.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    if count := settings.TRUSTED_PROXY_COUNT:
        hops = [
            hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")
        ]
        if len(hops) >= count:
            address = hops[-count]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - the client of a Unix socket has no address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def is_local_client(address: str) -> bool:
    """Return whether the client is on this machine, in development.

    All developers share that address, so limits per network would not make sense.
    """
    return settings.DEVELOPMENT and ipaddress.ip_address(address).is_loopback


def client_network(address: str) -> str:
    """Return the network that one customer usually has: IPv4 /32, IPv6 /64."""
    parsed = ipaddress.ip_address(address)
    prefix = 32 if parsed.version == 4 else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


class AlwaysJSON(BaseContentNegotiation):
    """Respond in JSON, whatever the Accept header says."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Return the first parser; API views have exactly one."""
        return parsers[0]

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Return the first renderer and its media type."""
        return renderers[0], renderers[0].media_type
