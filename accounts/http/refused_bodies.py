"""A rate limit for refused request bodies, because validating a body takes time.

The limit is approximate. The count is in Redis, but a process looks at it only when it
refuses a body, so that valid requests are not slowed down.
"""

import math
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.caller import Caller, caller_of
from kit.errors import RateLimited
from kit.requests import client_address, client_network

if TYPE_CHECKING:  # REST framework loads this module while it loads its views
    from rest_framework.views import APIView

_PERIOD = 60  # seconds
_UNIT = 64 * 1024  # bytes of a body that count as much as another body
_COUNTED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_MAX_KNOWN = 10_000

_blocked_until: dict[str, float] = {}  # Unix time, by caller


class RefusedBodiesThrottle(BaseThrottle):
    """Refuse requests with a body from callers above the limit, without parsing them."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Return True.

        Raises:
            RateLimited: more than REFUSED_BODIES were refused in this minute.
        """
        if _size_of(request._request):
            left = _blocked_until.get(caller_of(request).subject, 0) - time.time()
            if left > 0:
                raise RateLimited(retry_after=math.ceil(left))
        return True


class CountRefusedBodies:
    """Middleware: count refused bodies per caller, or per network if it is unknown."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Process `request`."""
        response = self.get_response(request)
        if response.status_code in _COUNTED and (size := _size_of(request)):
            caller: Caller | None = getattr(request, "caller", None)
            if caller is None:
                _count(f"guest:{client_network(client_address(request))}", size)
            elif not caller.is_operator:
                _count(caller.subject, size)
        return response


def forget() -> None:
    """Clear the callers that this process knows to be above the limit."""
    _blocked_until.clear()


def _size_of(request: HttpRequest) -> int:
    return int(request.META.get("CONTENT_LENGTH") or 0)


def _count(subject: str, size: int) -> None:
    """Count a refused body as one, plus one for each `_UNIT` of its bytes."""
    period = int(time.time() // _PERIOD)
    key = f"refused-bodies:{subject}:{period}"
    size = min(size, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)  # more is never read
    try:
        cache.add(key, 0, timeout=2 * _PERIOD)
        count = cache.incr(key, 1 + size // _UNIT)
    except (RedisError, OSError, ValueError):
        return  # without the count, nobody is blocked
    if count > settings.REFUSED_BODIES:
        if len(_blocked_until) >= _MAX_KNOWN:
            forget()
        _blocked_until[subject] = (period + 1) * _PERIOD
