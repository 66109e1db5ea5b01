"""The page of workspaces, their members and invitations."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.http.freshness import is_fresh
from accounts.http.next_page import with_next
from accounts.models import Membership
from accounts.pages.forms import InvitationForm, NameForm
from accounts.people import closing, teams
from accounts.roles import Permission, has_permission
from kit.errors import AppError, Invalid, NotFound

_WITHOUT_FRESH_LOGIN = {"create", "rename"}


@login_required
@require_safe
def team_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the user's workspaces and invitations."""
    memberships = list(teams.memberships(caller))
    workspaces = [membership.workspace for membership in memberships]
    members = _by_workspace(teams.members(*workspaces))
    invitations = _by_workspace(teams.invitations(*workspaces))
    entries = [
        {
            "membership": membership,
            "members": members[membership.workspace_id],
            "invitations": invitations[membership.workspace_id],
            "can": {
                one.value: has_permission(membership.role, one) for one in Permission
            },
        }
        for membership in memberships
    ]
    context = {
        "entries": entries,
        "invited_to": teams.invitations_to(caller.person),
        "closed": [
            {"workspace": workspace, "until": workspace.closed_at + closing.KEPT_FOR}
            for workspace in teams.closed(caller.person)
            if workspace.closed_at
        ],
    }
    return render(request, "accounts/team.html", context)


def _by_workspace(rows: Iterable[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.workspace_id].append(row)
    return found


@login_required
@require_POST
def action(request: HttpRequest, caller: Caller, verb: str) -> HttpResponse:
    """Run the action of a button on the page, and show its result."""
    if verb not in _ACTIONS:
        raise Http404
    if verb not in _WITHOUT_FRESH_LOGIN and not is_fresh(request):
        messages.info(request, "Log in again to change the members of a workspace.")
        return redirect(with_next("login", "/settings/team"))
    try:
        with transaction.atomic(durable=True):
            done = _ACTIONS[verb](request, caller)
    except (NotFound, ValueError) as error:
        raise Http404 from error
    except Invalid as error:
        messages.error(request, _first_message(error))
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("team-page")


def _create(request: HttpRequest, caller: Caller) -> str:
    teams.create(caller.person, _cleaned(NameForm, request)["name"])
    return "The workspace was created."


def _rename(request: HttpRequest, caller: Caller) -> str:
    teams.rename(_membership(request, caller), _cleaned(NameForm, request)["name"])
    return "Renamed."


def _invite(request: HttpRequest, caller: Caller) -> str:
    fields = _cleaned(InvitationForm, request)
    teams.invite(_membership(request, caller), **fields)
    return f"We sent an invitation to {fields['email']}."


def _withdraw(request: HttpRequest, caller: Caller) -> str:
    teams.withdraw(
        _membership(request, caller), UUID(request.POST.get("invitation", ""))
    )
    return "The invitation is withdrawn."


def _close(request: HttpRequest, caller: Caller) -> str:
    membership = _membership(request, caller)
    gone_at = teams.close(membership)
    return (
        f"{membership.workspace.name} is closed. Until {gone_at:%-d %B %Y} you can open it"
        " again."
    )


def _reopen(request: HttpRequest, caller: Caller) -> str:
    wanted = UUID(request.POST.get("workspace", ""))
    return f"{teams.reopen(caller.person, wanted).workspace.name} is open again."


def _accept(request: HttpRequest, caller: Caller) -> str:
    membership = teams.accept(caller.person, UUID(request.POST.get("invitation", "")))
    return f"You are in {membership.workspace.name} now."


def _decline(request: HttpRequest, caller: Caller) -> str:
    teams.decline(caller.person, UUID(request.POST.get("invitation", "")))
    return "The invitation is declined."


def _change_role(request: HttpRequest, caller: Caller) -> str:
    role = request.POST.get("role", "")
    if role not in Membership.Role.values:
        raise NotFound
    member = UUID(request.POST.get("member", ""))
    changed = teams.change_role(_membership(request, caller), member, role)
    return f"{changed.user.email} is {changed.role} now."


def _remove(request: HttpRequest, caller: Caller) -> str:
    member = UUID(request.POST.get("member", ""))
    teams.remove(_membership(request, caller), member)
    left = member == caller.person.pk
    return "You have left the workspace." if left else "Removed."


_ACTIONS: dict[str, Callable[[HttpRequest, Caller], str]] = {
    "create": _create,
    "rename": _rename,
    "invite": _invite,
    "withdraw": _withdraw,
    "close": _close,
    "reopen": _reopen,
    "accept": _accept,
    "decline": _decline,
    "role": _change_role,
    "remove": _remove,
}


def _first_message(error: Invalid) -> str:
    """Return the first message about a field."""
    for reasons in error.fields.values():
        if isinstance(reasons, list) and reasons:
            return str(reasons[0])
    return str(error)


class _InvalidForm(AppError):
    """A form of the page is invalid; the message is its first error."""

    message = "{first_error}"


def _cleaned(form_class: type[Any], request: HttpRequest) -> dict[str, Any]:
    form = form_class(request.POST)
    if not form.is_valid():
        raise _InvalidForm(first_error=next(iter(form.errors.values()))[0])
    fields: dict[str, Any] = form.cleaned_data
    return fields


def _membership(request: HttpRequest, caller: Caller) -> Membership:
    return teams.membership(caller, UUID(request.POST.get("workspace", "")))
