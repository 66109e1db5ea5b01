"""The cookie that binds a login code to the browser that asked for it."""

from django.conf import settings
from django.http import HttpResponseBase

from accounts.login import codes


def remember(response: HttpResponseBase, browser: str) -> None:
    """Set the login cookie, which binds the requested code to the browser."""
    response.set_cookie(
        settings.LOGIN_COOKIE_NAME,
        browser,
        max_age=codes.VALID_FOR,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget(response: HttpResponseBase) -> None:
    """Delete the login cookie after its code was used."""
    response.delete_cookie(settings.LOGIN_COOKIE_NAME, samesite="Lax")
