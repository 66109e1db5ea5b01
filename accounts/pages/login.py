"""Pages of logging in and out."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts import sessions
from accounts.api.login import forget, remember
from accounts.caller import Caller
from accounts.http.next_page import next_page, with_next
from accounts.http.visits import for_people
from accounts.login import codes, links
from accounts.models import LoginSession, User
from accounts.pages.forms import CodeForm, EmailForm, add_refusal
from kit.errors import AppError
from kit.mail import files
from kit.requests import client_address

_SHOWN = 50  # logins on a page


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """Ask for an address, and mail a code to it."""
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
            add_refusal(form, error)
        else:
            response = redirect(with_next("login-code", next_page(request)))
            remember(response, browser)
            return response
    context = {"form": form, "next": next_page(request)}
    return render(request, "accounts/login.html", context, status=_status(form))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_with_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code, and log in."""
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
            add_refusal(form, error)
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
    """Show a button that logs in: mail scanners and previews only open links."""
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


@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """Show the mails that were written to files; in development only."""
    if not settings.DEVELOPMENT:
        raise Http404
    return render(request, "accounts/mailbox.html", {"mails": files.written()})


@for_people
@require_safe
def logins_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show where one is and was logged in."""
    rows = LoginSession.objects.for_user(_person(caller)).order_by("-pk")
    page = Paginator(rows, _SHOWN).get_page(request.GET.get("page"))
    context = {"page": page, "current": sessions.current(request)}
    return render(request, "accounts/logins.html", context)


@for_people
@require_POST
def end_login(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Log one browser out, or all others."""
    current = sessions.current(request)
    person = _person(caller)
    if wanted := request.POST.get("login"):
        row = LoginSession.objects.for_user(person).find(wanted)
        if row is None:
            raise Http404
        sessions.end(row)
        messages.success(request, "That browser is logged out.")
    else:
        sessions.end_all(person, but=current)
        messages.success(request, "All other browsers are logged out.")
    return redirect("logins-page")


def _person(caller: Caller) -> User:
    assert caller.user  # for_people
    return caller.user


def _home(user: User) -> str:
    return reverse("admin:index" if user.is_staff else "landing")


def _status(form: EmailForm | CodeForm) -> int:
    return 400 if form.errors else 200
