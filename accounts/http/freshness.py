"""Fresh logins: some actions are for a person who has just shown who they are."""

import time
from datetime import timedelta

from django.http import HttpRequest

from accounts import sessions
from accounts.errors import FreshLoginRequired

FRESH_FOR = timedelta(minutes=15)


def is_fresh(request: HttpRequest) -> bool:
    """Whether the request came by a cookie whose login is younger than 15 minutes."""
    if "HTTP_AUTHORIZATION" in request.META:
        return False
    return time.time() - sessions.logged_in_at(request) <= FRESH_FOR.total_seconds()


def require_fresh_login(request: HttpRequest) -> None:
    """Let a login by cookie pass that is younger than 15 minutes.

    Raises:
        FreshLoginRequired: it is older, or the request came with a token or key.
    """
    if not is_fresh(request):
        raise FreshLoginRequired
