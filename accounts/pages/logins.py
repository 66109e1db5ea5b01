"""The page of logins: list them, end one or all others."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_POST,
    require_safe,
)

from accounts import sessions
from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.models import LoginSession

_SHOWN = 50  # logins on a page


@login_required
@require_safe
def logins_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the user's logins, newest first."""
    rows = LoginSession.objects.for_user(caller.person).order_by("-pk")
    page = Paginator(rows, _SHOWN).get_page(request.GET.get("page"))
    context = {"page": page, "current": sessions.current_login(request)}
    return render(request, "accounts/logins.html", context)


@login_required
@require_POST
def end_login(request: HttpRequest, caller: Caller) -> HttpResponse:
    """End one login, or all except the current one."""
    current = sessions.current_login(request)
    if wanted := request.POST.get("login"):
        row = LoginSession.objects.for_user(caller.person).find(wanted)
        if row is None:
            raise Http404
        sessions.end(row)
        messages.success(request, "That browser is logged out.")
    else:
        sessions.end_all(caller.person, except_for=current)
        messages.success(request, "All other browsers are logged out.")
    return redirect("logins-page")
