"""The page of logins: where this person is logged in, and ending a login."""

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
    """Show where one is and was logged in."""
    rows = LoginSession.objects.for_user(caller.person).order_by("-pk")
    page = Paginator(rows, _SHOWN).get_page(request.GET.get("page"))
    context = {"page": page, "current": sessions.current(request)}
    return render(request, "accounts/logins.html", context)


@login_required
@require_POST
def end_login(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Log one browser out, or all others."""
    current = sessions.current(request)
    if wanted := request.POST.get("login"):
        row = LoginSession.objects.for_user(caller.person).find(wanted)
        if row is None:
            raise Http404
        sessions.end(row)
        messages.success(request, "That browser is logged out.")
    else:
        sessions.end_all(caller.person, but=current)
        messages.success(request, "All other browsers are logged out.")
    return redirect("logins-page")
