"""Pages for people who are logged in."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from accounts import workspaces
from accounts.caller import Caller
from accounts.models import User
from kit.requests import client_address

P = ParamSpec("P")


def for_people(
    view: Callable[Concatenate[HttpRequest, Caller, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let people in who are logged in, and tell the view who they are; others log in.

    Suspended people, and everybody in a suspended workspace, get 403.
    """

    @never_cache
    @wraps(view)
    def guarded(
        request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return redirect_to_login(request.get_full_path())
        place = workspaces.entered_by(user)
        if user.is_blocked or not user.is_active or place.workspace.is_blocked:
            raise PermissionDenied
        caller = Caller(
            place.workspace,
            user=user,
            member_role=place.role,
            address=client_address(request),
        )
        return view(request, caller, *args, **kwargs)

    return guarded
