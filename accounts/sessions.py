"""Logins: log in, keep sessions alive, log out, and record the login history.

A login is one Django session and one `LoginSession`, its row in the history. The session is
authoritative: deleting it ends the login, from the next request on.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import django_otp
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models.functions import Now
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django_otp.models import Device

from accounts.models import LoginSession, User
from kit.mail import outbox
from kit.requests import client_address
from kit.rest.lines import to_one_line

IDLE_LIMIT = timedelta(days=14)
"""A login expires when it is not used for this long."""
ABSOLUTE_LIMIT = timedelta(days=60)
"""A login expires after this, even if it is used."""
VERIFIED_FOR = timedelta(hours=12)
"""The second factor is asked for again after this."""
KEPT_FOR = timedelta(days=180)
"""How long the login history is kept."""
_DEVICE_KEPT_FOR = timedelta(days=400)  # the longest that browsers keep a cookie
_SEEN_UPDATE_SECONDS = 60  # how often `last_seen_at` is written at most
_LOGGED_IN_AT = "logged_in_at"  # keys in the session; times are Unix times
_SEEN_AT = "seen_at"
_VERIFIED_AT = "verified_at"
_LOGIN = "login"  # the id of the LoginSession


def log_in(request: HttpRequest, user: User, method: LoginSession.Method) -> None:
    """Log `user` in, in the browser that sent `request`.

    The session gets a new key; an earlier login in the same browser ends.
    """
    if before := current_login(request):
        _record_end(before)
        request.session.cycle_key()  # Django keeps the key if it is the same user
    request.login_method = method  # type: ignore[attr-defined]
    login(request, user)


def device_of(request: HttpRequest) -> str:
    """Return the hash of the device cookie of `request`; empty for a new device."""
    cookie = request.COOKIES.get(settings.DEVICE_COOKIE_NAME)
    return _digest(cookie) if cookie else ""


def is_known_device(device: str, email: str) -> bool:
    """Return whether the user with this email address has logged in on `device` before."""
    return LoginSession.objects.filter(user__email=email, device=device).exists()


def logged_in_at(request: HttpRequest) -> int:
    """Return when the request's login began, as Unix time; 0 for none."""
    return int(request.session.get(_LOGGED_IN_AT, 0))


def verified_at(request: HttpRequest) -> int:
    """Return when the login passed the second factor, as Unix time; 0 for never."""
    return int(request.session.get(_VERIFIED_AT, 0))


def current_login(request: HttpRequest) -> str | None:
    """Return the id of the LoginSession of `request`; None for none."""
    return request.session.get(_LOGIN)


def is_by_link(request: HttpRequest) -> bool:
    """Return whether the login began by a link of `manage.py login_link`."""
    row = LoginSession.objects.find(current_login(request) or "")
    return row is not None and bool(row.method == LoginSession.Method.LINK)


def mark_verified(request: HttpRequest, device: Device) -> None:
    """Record in the session that its user has just passed the second factor `device`.

    The session gets a new key, because its permissions have grown.
    """
    django_otp.login(request, device)
    request.session[_VERIFIED_AT] = int(time.time())
    request.session.cycle_key()
    LoginSession.objects.filter(pk=request.session[_LOGIN]).update(
        session_key=request.session.session_key or ""
    )


def end(row: LoginSession) -> None:
    """End a login at once, by deleting its session. Safe to repeat."""
    if row.session_key:
        _session_store(row.session_key).delete()
    _record_end(str(row.pk))


def end_all(user: User, *, except_for: str | None = None) -> None:
    """End every login of `user`, except the one with the id `except_for`."""
    for row in LoginSession.objects.for_user(user).active().exclude(pk=except_for):
        end(row)


def prune() -> None:
    """Mark expired logins as ended, and delete old ones from the history."""
    expired = LoginSession.objects.active()
    expired.filter(last_seen_at__lt=Now() - IDLE_LIMIT - timedelta(days=1)).update(
        ended_at=Now(), session_key=""
    )
    LoginSession.objects.filter(last_seen_at__lt=Now() - KEPT_FOR).delete()
    engine = import_module(settings.SESSION_ENGINE)
    engine.SessionStore.clear_expired()


@receiver(user_logged_in, dispatch_uid="accounts.sessions.begin")
def _begin(request: HttpRequest, user: User, **_: object) -> None:
    """Record a login in the history, however it was started (signal receiver)."""
    session = request.session
    now = int(time.time())
    session[_LOGGED_IN_AT] = session[_SEEN_AT] = now
    if session.session_key is None:
        session.save()
    cookie = request.COOKIES.get(settings.DEVICE_COOKIE_NAME) or secrets.token_urlsafe(
        32
    )
    request.device = cookie  # type: ignore[attr-defined]
    device = _digest(cookie)
    with transaction.atomic():
        others = LoginSession.objects.for_user(user)
        is_new = others.exists() and not others.filter(device=device).exists()
        row = LoginSession.objects.create(
            user=user,
            session_key=session.session_key or "",
            device=device,
            ip=client_address(request),
            user_agent=to_one_line(request.META.get("HTTP_USER_AGENT", "")[:300]),
            method=getattr(request, "login_method", LoginSession.Method.OTHER),
            started_at=timezone.now(),
        )
        if is_new:
            _notify_new_device(user, row)
    session[_LOGIN] = str(row.pk)


@receiver(user_logged_out, dispatch_uid="accounts.sessions.end")
def _finish(request: HttpRequest, **_: object) -> None:
    """Record the end of a login; the signal is sent before the session is deleted."""
    if row := request.session.get(_LOGIN):
        _record_end(row)


class KeepLogin:
    """Middleware: expire logins, record when they were last seen, set the device cookie.

    It also removes an expired second factor from the session. So it has to come before
    django-otp's middleware, which trusts the session.
    It reads only the session, so a request costs no query; once a minute it writes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, with the device cookie after a login."""
        # Independent of an Authorization header: pages look only at the cookie.
        has_cookie = settings.SESSION_COOKIE_NAME in request.COOKIES
        if has_cookie and _LOGIN in request.session:
            self._keep(request)
        response = self.get_response(request)
        if device := getattr(request, "device", None):
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                device,
                max_age=_DEVICE_KEPT_FOR,
                secure=settings.SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    def _keep(self, request: HttpRequest) -> None:
        now = time.time()
        session = request.session
        seen_at = session.get(_SEEN_AT, 0)
        is_over = (
            now - seen_at > IDLE_LIMIT.total_seconds()
            or now - logged_in_at(request) > ABSOLUTE_LIMIT.total_seconds()
        )
        if is_over:
            logout(request)
            return
        if now - verified_at(request) > VERIFIED_FOR.total_seconds():
            session.pop(django_otp.DEVICE_ID_SESSION_KEY, None)
        if now - seen_at >= _SEEN_UPDATE_SECONDS:
            session[_SEEN_AT] = int(now)  # saving also extends the cookie
            LoginSession.objects.filter(pk=session[_LOGIN]).update(
                last_seen_at=timezone.now(), ip=client_address(request)
            )


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _record_end(pk: str) -> None:
    LoginSession.objects.filter(pk=pk).update(session_key="")
    LoginSession.objects.active().filter(pk=pk).update(ended_at=Now())


def _notify_new_device(user: User, row: LoginSession) -> None:
    outbox.post(
        user.email,
        "A new login to Ozvena",
        render_to_string(
            "accounts/mail/new_device.txt",
            {
                "login": row,
                "page": settings.BASE_URL + reverse("logins-page"),
            },
        ),
    )


def _session_store(key: str) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return store
