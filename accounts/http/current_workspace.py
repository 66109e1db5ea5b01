"""The current workspace and environment of pages, and the decorator `login_required`.

API requests name workspace and environment each time. In the pages a user chooses once;
the choice is a preference that holds for all pages.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache

from accounts.caller import Caller, Environment
from accounts.models import Membership, User
from accounts.people import workspaces
from kit.errors import NotFound
from kit.requests import client_address

P = ParamSpec("P")


def login_required(
    view: Callable[Concatenate[HttpRequest, Caller, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Decorate a page view: pass the logged-in Caller, redirect others to the login page.

    Blocked users get 403, and so do users whose workspaces are all blocked.
    """

    @never_cache
    @wraps(view)
    def guarded(
        request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        user = request.user
        if not isinstance(user, User) or user.closed_at is not None:
            return redirect_to_login(request.get_full_path())
        caller = page_caller(request, user)
        if user.is_blocked or not user.is_active:
            return _blocked(request, "account")
        if caller.workspace.is_blocked:
            return _blocked(request, "workspace")
        request.page_caller = caller  # type: ignore[attr-defined]
        return view(request, caller, *args, **kwargs)

    return guarded


def _blocked(request: HttpRequest, what: str) -> HttpResponse:
    return render(request, "accounts/blocked.html", {"what": what}, status=403)


def page_caller(request: HttpRequest, user: User) -> Caller:
    """Return the Caller of a page: `user` in the chosen workspace.

    Without a valid choice it is the personal workspace; if that one is blocked, the user's
    oldest workspace that is not.
    """
    membership = _chosen(user) or workspaces.membership_of(user)
    if membership.workspace.is_blocked:
        membership = workspaces.usable_memberships(user).first() or membership
    return Caller(
        membership.workspace,
        environment=environment_of(user),
        user=user,
        member_role=membership.role,
        address=client_address(request),
    )


def environment_of(user: User) -> Environment:
    """Return the environment that a user has chosen for pages; PRODUCTION by default."""
    chosen = user.preferences.get("environment")
    known = isinstance(chosen, str) and chosen in set(Environment)
    return Environment(chosen) if known else Environment.PRODUCTION


def current_workspace(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `caller` of the page and `memberships` to choose from.

    `caller` is None for visitors. Both are lazy: they cost no query if a page does not use
    them.
    """
    # An error page may be rendered before the middleware has set the user.
    user = getattr(request, "user", None)
    if not isinstance(user, User) or user.closed_at is not None:
        return {"caller": None, "memberships": []}
    return {
        "caller": getattr(request, "page_caller", None)
        or SimpleLazyObject(lambda: page_caller(request, user)),
        "memberships": SimpleLazyObject(
            lambda: list(workspaces.usable_memberships(user))
        ),
    }


def _chosen(user: User) -> Membership | None:
    wanted = user.preferences.get("workspace")
    if not isinstance(wanted, str):
        return None
    try:
        membership = workspaces.membership_of(user, wanted)
    except NotFound:
        return None
    return None if membership.workspace.is_blocked else membership
