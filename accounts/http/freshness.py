"""Fresh logins and second factors: sensitive actions require recent ones."""

import time
from datetime import timedelta

from django.http import HttpRequest

from accounts import sessions
from accounts.errors import FreshLoginRequired
from accounts.login import second_factor

FRESH_FOR = timedelta(minutes=15)


def is_fresh(request: HttpRequest) -> bool:
    """Return whether the request has a session whose login is at most 15 minutes old."""
    if "HTTP_AUTHORIZATION" in request.META:
        return False
    return time.time() - sessions.logged_in_at(request) <= FRESH_FOR.total_seconds()


def has_fresh_second_factor(request: HttpRequest) -> bool:
    """Return whether the login has passed the second factor in the last 15 minutes."""
    is_recent = time.time() - sessions.verified_at(request) <= FRESH_FOR.total_seconds()
    return is_recent and second_factor.is_verified(request.user)


def require_fresh_login(request: HttpRequest) -> None:
    """Raise FreshLoginRequired unless the login is a session of the last 15 minutes.

    API tokens and the operators' key are refused too.
    """
    if not is_fresh(request):
        raise FreshLoginRequired
