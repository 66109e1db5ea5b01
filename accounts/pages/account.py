"""The account page: export one's data, close the account."""

from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.http.freshness import is_fresh
from accounts.http.next_page import with_next
from accounts.models import Export
from accounts.people import closing, exports
from kit.errors import AppError
from kit.files.downloads import send

_CONFIRMED = "close"


@login_required
@require_safe
def account_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the account and the newest archive of its data."""
    context = {
        "export": exports.newest(caller),
        "kept_hours": exports.KEPT_FOR.total_seconds() // 3600,
        "days": closing.KEPT_FOR.days,
        "is_fresh": is_fresh(request),
    }
    return render(request, "accounts/account.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Download the archive; a POST makes a new one."""
    if request.method == "POST":
        try:
            with transaction.atomic(durable=True):
                exports.begin(caller)
        except AppError as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, "We are preparing your data. You get a mail when it is ready."
            )
        return redirect("account-page")
    ready = exports.newest(caller)
    if ready is None or ready.status != Export.Status.COMPLETED:
        raise Http404
    return send(request, ready.file, "application/zip", exports.download_name(ready))


@login_required
@require_http_methods(["POST"])
def close(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Close the account; requires a fresh login and the typed word `close`."""
    if not is_fresh(request):
        messages.info(request, "Log in again to close your account.")
        return redirect(with_next("login", "/settings/account"))
    if request.POST.get("word", "").strip().lower() != _CONFIRMED:
        messages.error(request, f"Type the word {_CONFIRMED} to close your account.")
        return redirect("account-page")
    try:
        with transaction.atomic(durable=True):
            gone_at = closing.close(caller.person)
    except AppError as error:
        messages.error(request, str(error))
        return redirect("account-page")
    logout(request)
    messages.success(
        request,
        "Your account is closed. A login before"
        f" {gone_at:%-d %B %Y} opens it again, with everything in it.",
    )
    return redirect("landing")
