"""Logins: how one begins, is kept alive and ends, and what a person sees of them.

A login is one Django session and one `LoginSession`, the row of its history. The session is
the truth: who ends a login deletes it, and the next request finds nobody.
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

IDLE_LIMIT = timedelta(days=14)
"""A login that is not used for so long has ended."""
ABSOLUTE_LIMIT = timedelta(days=60)
"""A login ends after this however much it is used."""
VERIFIED_FOR = timedelta(hours=12)
"""A login asks for the second factor again after this."""
KEPT_FOR = timedelta(days=180)
"""How long the history goes back."""
_DEVICE_KEPT_FOR = timedelta(days=400)  # the longest that browsers keep a cookie
_NOTED_EVERY = 60  # seconds
_LOGGED_IN_AT = "logged_in_at"  # keys in the session; times are Unix times
_SEEN_AT = "seen_at"
_VERIFIED_AT = "verified_at"
_LOGIN = "login"  # the id of the LoginSession


def log_in(request: HttpRequest, user: User, method: LoginSession.Method) -> None:
    """Begin a login of `user` in the browser that sent `request`.

    The session gets a new key; a login before it in the same browser ends.
    """
    if before := current(request):
        _note_end(before)
        request.session.cycle_key()  # Django keeps it when the same person comes again
    request.login_method = method  # type: ignore[attr-defined]
    login(request, user)


def device_of(request: HttpRequest) -> str:
    """Return what the browser that sent `request` is known by; empty for a new one."""
    cookie = request.COOKIES.get(settings.DEVICE_COOKIE_NAME)
    return _digest(cookie) if cookie else ""


def is_known_device(device: str, email: str) -> bool:
    """Whether the person with this address has logged in on that device before."""
    return LoginSession.objects.filter(user__email=email, device=device).exists()


def logged_in_at(request: HttpRequest) -> int:
    """Return when the request's login began, as Unix time; 0 for none."""
    return int(request.session.get(_LOGGED_IN_AT, 0))


def current(request: HttpRequest) -> str | None:
    """Return the id of the request's own login."""
    return request.session.get(_LOGIN)


def note_verified(request: HttpRequest, device: Device) -> None:
    """Write into the session that its user has just shown the second factor `device`.

    The session gets a new key, as its permissions have grown.
    """
    django_otp.login(request, device)
    request.session[_VERIFIED_AT] = int(time.time())
    request.session.cycle_key()
    LoginSession.objects.filter(pk=request.session[_LOGIN]).update(
        session_key=request.session.session_key or ""
    )


def end(row: LoginSession) -> None:
    """Log out the browser of a login, at once. Harmless to repeat."""
    if row.session_key:
        _session_store(row.session_key).delete()
    _note_end(str(row.pk))


def end_all(user: User, *, but: str | None = None) -> None:
    """End every login of `user`, except the one with the id `but`."""
    for row in LoginSession.objects.for_user(user).under_way().exclude(pk=but):
        end(row)


def prune() -> None:
    """Note the ends that nobody saw, and forget the logins of long ago."""
    gone = LoginSession.objects.under_way()
    gone.filter(last_seen_at__lt=Now() - IDLE_LIMIT - timedelta(days=1)).update(
        ended_at=Now(), session_key=""
    )
    LoginSession.objects.filter(last_seen_at__lt=Now() - KEPT_FOR).delete()
    engine = import_module(settings.SESSION_ENGINE)
    engine.SessionStore.clear_expired()


@receiver(user_logged_in, dispatch_uid="accounts.sessions.begin")
def _begin(request: HttpRequest, user: User, **_: object) -> None:
    """Write the history's row of a login, whichever way it came about."""
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
            user_agent=request.META.get("HTTP_USER_AGENT", "")[:300].replace("\0", ""),
            method=getattr(request, "login_method", LoginSession.Method.OTHER),
            started_at=timezone.now(),
        )
        if is_new:
            _tell_of_new_device(user, row)
    session[_LOGIN] = str(row.pk)


@receiver(user_logged_out, dispatch_uid="accounts.sessions.end")
def _finish(request: HttpRequest, **_: object) -> None:
    """Note the end; the signal comes while the session is still there."""
    if row := request.session.get(_LOGIN):
        _note_end(row)


class KeepLogin:
    """Middleware: end logins past their limits, note when they were last seen.

    A login that was verified too long ago isn't verified any more; this has to come before
    django-otp's middleware, which takes the session's word for it.
    It looks at nothing but the session, so a request costs no query; once a minute it
    writes. The cookie by which a device is known again is set here too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request`."""
        # Whatever else it sends: pages look at nothing but the cookie.
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
        if now - session.get(_VERIFIED_AT, 0) > VERIFIED_FOR.total_seconds():
            session.pop(django_otp.DEVICE_ID_SESSION_KEY, None)
        if now - seen_at >= _NOTED_EVERY:
            session[_SEEN_AT] = int(now)  # saving prolongs the cookie, too
            LoginSession.objects.filter(pk=session[_LOGIN]).update(
                last_seen_at=timezone.now(), ip=client_address(request)
            )


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _note_end(pk: str) -> None:
    LoginSession.objects.filter(pk=pk).update(session_key="")
    LoginSession.objects.under_way().filter(pk=pk).update(ended_at=Now())


def _tell_of_new_device(user: User, row: LoginSession) -> None:
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
