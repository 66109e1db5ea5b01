"""Choose the workspace and the environment of the pages."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.caller import Caller, Environment
from accounts.http.current_workspace import login_required
from accounts.http.next_page import next_page
from accounts.people import preferences
from accounts.people.workspaces import membership_of
from kit.errors import NotFound


@login_required
@require_POST
def choose(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Save the chosen workspace and environment as preferences, for all pages."""
    environment = request.POST.get("environment", Environment.PRODUCTION)
    try:
        membership = membership_of(caller.person, request.POST.get("workspace", ""))
    except NotFound as error:
        raise Http404 from error
    if environment not in set(Environment):
        raise Http404
    preferences.merge(
        caller.person,
        {"workspace": str(membership.workspace_id), "environment": environment},
    )
    messages.success(
        request,
        f"You are in {membership.workspace.name} now, in {environment.lower()}.",
    )
    return redirect(next_page(request) or "team-page")
