"""What every HTTP request has: an id, an address, and JSON as its answer."""

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
    """Give each request an id; it is in every answer and every log line.

    A client's own `X-Request-Id` is kept when it is harmless in a log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request` under its id."""
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else str(new_id())
        token = _current_id.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            _current_id.reset(token)
        response["X-Request-Id"] = request_id
        return response


def current_request_id() -> str:
    """Return the id of the request that is being answered; `-` outside of any."""
    return _current_id.get()


class RequestIdFilter(logging.Filter):
    """Put the current request's id on each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add `request_id`; keep every record."""
        record.request_id = _current_id.get()
        return True


def client_address(request: HttpRequest) -> str:
    """Return the address of the client, as the outermost of our own proxies saw it.

    With `TRUSTED_PROXY_COUNT` = n, X-Forwarded-For is read at its n-th entry from the
    right, which our own proxy wrote; what stands to the left of it is the client's word
    and counts for nothing. With 0 the header is ignored.
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
        return "0.0.0.0"  # noqa: S104 - a Unix socket's peer has no address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def is_own_machine(address: str) -> bool:
    """Whether a client sits at this machine, in development: there everybody does."""
    return settings.DEVELOPMENT and ipaddress.ip_address(address).is_loopback


def client_network(address: str) -> str:
    """Return the part of an address that one customer holds: IPv4 /32, IPv6 /64."""
    parsed = ipaddress.ip_address(address)
    prefix = 32 if parsed.version == 4 else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


class AlwaysJSON(BaseContentNegotiation):
    """Answer in JSON whatever the client says it accepts."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Return the only parser there is."""
        return parsers[0]

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Return the first renderer."""
        return renderers[0], renderers[0].media_type
