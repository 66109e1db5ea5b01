"""Rate limits of API requests, counted in the cache; money is counted in PostgreSQL."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.caller import Caller, caller_of
from kit.errors import RateLimited

if TYPE_CHECKING:  # REST framework loads this module while it loads its views
    from rest_framework.views import APIView

_OUTAGE = 5.0
"""Seconds without rate limits after the cache failed; then one request tries it again."""

logger = logging.getLogger(__name__)
_unlimited_until = 0.0  # monotonic time; 0 while the cache is available


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The state of a caller's rate limit."""

    limit: int  # requests per period
    count: int  # requests so far, including this one
    reset: int  # seconds until the next period begins


class WorkspaceThrottle(BaseThrottle):
    """Limit the requests of a workspace, or of a guest's network, per period.

    A workspace with a plan has the plan's limits per minute, others those of the settings.
    A view with `throttle_scope = "synthesis"` counts POST and PATCH by RATE_SYNTHESIS;
    everything else counts by RATE_OTHER. Guests' synthesis is limited by a quota, so here
    only RATE_OTHER holds for them.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request and return True.

        Raises:
            RateLimited: the limit is exceeded.
        """
        caller = caller_of(request)
        is_synthesis = (
            getattr(view, "throttle_scope", "") == "synthesis"
            and request.method in ("POST", "PATCH")
            and not caller.is_guest
        )
        rate_limit = _count(request._request, caller, is_synthesis=is_synthesis)
        if rate_limit and rate_limit.count > rate_limit.limit:
            raise RateLimited(retry_after=rate_limit.reset)
        return True


class RateLimitHeaders:
    """Middleware: add rate limit headers to authenticated responses, errors too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with RateLimit headers (IETF draft ratelimit-headers-05)."""
        response = self.get_response(request)
        caller: Caller | None = getattr(request, "caller", None)
        if caller is None or caller.is_guest:
            return response
        # A request that was refused by a permission or a block was not counted yet.
        rate_limit = getattr(request, "rate_limit", None) or _count(request, caller)
        if rate_limit:
            response["RateLimit-Limit"] = str(rate_limit.limit)
            left = max(rate_limit.limit - rate_limit.count, 0)
            response["RateLimit-Remaining"] = str(left)
            response["RateLimit-Reset"] = str(rate_limit.reset)
        return response


def _count(
    request: HttpRequest, caller: Caller, *, is_synthesis: bool = False
) -> RateLimit | None:
    """Count a request and return its rate limit; None if it is unlimited.

    The limit is also set as `request.rate_limit`.
    """
    global _unlimited_until
    if caller.is_operator or time.monotonic() < _unlimited_until:
        return None
    if _unlimited_until:
        # This request tries the cache again; the others go on without limits meanwhile.
        _unlimited_until = time.monotonic() + _OUTAGE
    name = "synthesis" if is_synthesis else "other"
    try:
        found = get_usage(
            request,
            group=name,
            key=lambda group, request: _subject(caller),
            rate=_rate(caller, is_synthesis),
            increment=True,
        )
    except (RedisError, OSError):
        # A service without rate limits is better than none.
        _unlimited_until = time.monotonic() + _OUTAGE
        logger.warning("the cache is unavailable: requests are not limited for a while")
        return None
    _unlimited_until = 0.0
    if found is None:  # the cache failed, with RATELIMIT_FAIL_OPEN
        return None
    rate_limit = RateLimit(
        limit=found["limit"],
        count=found["count"],
        # `time_left` is rounded down, so the period ends within the following second.
        reset=max(found["time_left"] + 1, 1),
    )
    request.rate_limit = rate_limit  # type: ignore[attr-defined]
    return rate_limit


def _subject(caller: Caller) -> str:
    """Return the name under which requests are counted.

    Requests of a blocked user do not count against their team.
    """
    user = caller.user
    if user and (user.is_blocked or not user.is_active):
        return f"suspended:{user.pk}"
    return caller.subject


def _rate(caller: Caller, is_synthesis: bool) -> str:
    """Return the limit in django-ratelimit's format, by the plan or by the settings."""
    workspace = caller.workspace
    per_minute = workspace.rate_synthesis if is_synthesis else workspace.rate_other
    if per_minute is not None:
        return f"{per_minute}/m"
    return str(settings.RATE_SYNTHESIS if is_synthesis else settings.RATE_OTHER)
