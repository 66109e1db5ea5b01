"""How fast a workspace may ask. Soft limits: what costs money is counted in PostgreSQL."""

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
"""Seconds without limits after the cache failed; then one request tries it again."""

logger = logging.getLogger(__name__)
_unlimited_until = 0.0  # by the monotonic clock; 0 while the cache answers


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much of a limit is used up."""

    limit: int  # requests per period
    count: int  # so far, this one included
    reset: int  # seconds until the next period begins


class WorkspaceThrottle(BaseThrottle):
    """Limit the requests of a workspace, or of a guest's network, per period.

    A workspace with a plan has the plan's limits, a minute; others those of the settings.
    A view with `throttle_scope = "synthesis"` counts POST and PATCH by RATE_SYNTHESIS, all
    else by RATE_OTHER. What guests may synthesise is a quota, so here they have but the
    other limit.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request and return True.

        Raises:
            RateLimited: there were too many.
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
    """Middleware: tell each authenticated answer, errors too, how much is left."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request` and add the headers (IETF draft ratelimit-headers-05)."""
        response = self.get_response(request)
        caller: Caller | None = getattr(request, "caller", None)
        if caller is None or caller.is_guest:
            return response
        # Whom a permission or a block has refused was not counted yet.
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
    """Count one request and leave the limit on it; None where nothing is limited."""
    global _unlimited_until
    if caller.is_operator or time.monotonic() < _unlimited_until:
        return None
    if _unlimited_until:
        # This request tries whether the cache is back; the others don't wait for that.
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
        # Better a service without this limit than none at all.
        _unlimited_until = time.monotonic() + _OUTAGE
        logger.warning("the cache is down: for a while, requests are not limited")
        return None
    _unlimited_until = 0.0
    if found is None:  # as RATELIMIT_FAIL_OPEN wants it
        return None
    rate_limit = RateLimit(
        limit=found["limit"],
        count=found["count"],
        # The period ends with the second that `time_left` leads to.
        reset=max(found["time_left"] + 1, 1),
    )
    request.rate_limit = rate_limit  # type: ignore[attr-defined]
    return rate_limit


def _subject(caller: Caller) -> str:
    """Name whose requests count together.

    Those of a suspended person use up nothing of a team that goes on without them.
    """
    user = caller.user
    if user and (user.is_blocked or not user.is_active):
        return f"suspended:{user.pk}"
    return caller.subject


def _rate(caller: Caller, is_synthesis: bool) -> str:
    """Return the limit as django-ratelimit writes it, by the plan or by the settings."""
    workspace = caller.workspace
    per_minute = workspace.rate_synthesis if is_synthesis else workspace.rate_other
    if per_minute is not None:
        return f"{per_minute}/m"
    return str(settings.RATE_SYNTHESIS if is_synthesis else settings.RATE_OTHER)
