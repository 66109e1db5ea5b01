"""Fresh logins: some acts are for a person who has just shown who they are."""

import time
from datetime import timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.errors import FreshLoginRequired

FRESH_FOR = timedelta(minutes=15)
_LOGGED_IN_AT = "logged_in_at"  # in the session, Unix time


@receiver(user_logged_in, dispatch_uid="note when the session began")
def note_login(request: HttpRequest, **_: Any) -> None:
    """Write into the session when its person logged in."""
    request.session[_LOGGED_IN_AT] = int(time.time())


def require_fresh_login(request: HttpRequest) -> None:
    """Let a login by cookie pass that is younger than 15 minutes.

    Raises:
        FreshLoginRequired: it is older, or the request came with a token or key.
    """
    logged_in_at = request.session.get(_LOGGED_IN_AT, 0)
    is_bearer = "HTTP_AUTHORIZATION" in request.META
    if is_bearer or time.time() - logged_in_at > FRESH_FOR.total_seconds():
        raise FreshLoginRequired
