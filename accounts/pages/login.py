"""Pages to log in, by code or by link."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
)

from accounts import sessions
from accounts.http.login_cookie import forget, remember
from accounts.http.next_page import next_page, with_next
from accounts.login import codes, links
from accounts.models import LoginSession, User
from accounts.pages.forms import CodeForm, EmailForm, add_app_error
from kit.errors import AppError
from kit.requests import client_address


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """Ask for an email address and mail a code to it."""
    initial = {"email": request.user.email if isinstance(request.user, User) else ""}
    form = EmailForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            browser = codes.ask(
                form.cleaned_data["email"],
                address=client_address(request),
                device=sessions.device_of(request),
            )
        except AppError as error:
            add_app_error(form, error)
        else:
            response = redirect(with_next("login-code", next_page(request)))
            remember(response, browser)
            return response
    context = {"form": form, "next": next_page(request)}
    return render(request, "accounts/login.html", context, status=_status(form))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_with_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code and log in."""
    browser = request.COOKIES.get(settings.LOGIN_COOKIE_NAME, "")
    email = codes.pending(browser)
    if email is None:
        return redirect(with_next("login", next_page(request)))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = codes.redeem(
                browser,
                email,
                form.cleaned_data["code"],
                address=client_address(request),
                device=sessions.device_of(request),
            )
        except AppError as error:
            add_app_error(form, error)
        else:
            sessions.log_in(request, user, LoginSession.Method.CODE)
            response = redirect(next_page(request) or _home(user))
            forget(response)
            return response
    context = {"form": form, "email": email, "next": next_page(request)}
    context["development"] = settings.DEVELOPMENT
    return render(request, "accounts/code.html", context, status=_status(form))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Show a button that logs in; a GET must not, since mail scanners open links."""
    try:
        if request.method != "POST":
            context: dict[str, object] = {"person": links.check(secret)}
            return render(request, "accounts/login_link.html", context)
        user = links.redeem(secret)
    except AppError as error:
        context = {"error": str(error)}
        return render(
            request, "accounts/login_link.html", context, status=int(error.status)
        )
    sessions.log_in(request, user, LoginSession.Method.LINK)
    return redirect(_home(user))


def _home(user: User) -> str:
    return reverse("admin:index" if user.is_staff else "landing")


def _status(form: EmailForm | CodeForm) -> int:
    return 400 if form.errors else 200
