"""Permission classes of API views. Querysets decide which rows a caller may see."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.caller import Environment, caller_of
from accounts.errors import AuthenticationRequired, NotInSandbox
from accounts.http.freshness import require_fresh_login

if TYPE_CHECKING:  # REST framework loads this module while it loads its views
    from rest_framework.views import APIView


class NotGuest(BasePermission):
    """Allow all callers except guests; the default of all views."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True, or refuse guests.

        Raises:
            AuthenticationRequired: the caller is a guest.
        """
        if caller_of(request).is_guest:
            raise AuthenticationRequired
        return True


class IsUser(BasePermission):
    """Allow users, by cookie or by token; not the operators' key, which has no user."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True, or refuse callers without a user.

        Raises:
            AuthenticationRequired: the caller is a guest.
            NotAllowed: the caller uses the operators' key.
        """
        return bool(caller_of(request).person)


class NotSandboxToken(IsUser):
    """Allow users, but no token of the sandbox: for what both environments share."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True, or refuse callers without a user and tokens of the sandbox.

        Raises:
            AuthenticationRequired, NotAllowed: as for `IsUser`.
            NotInSandbox: the caller is a token that is bound to the sandbox.
        """
        super().has_permission(request, view)
        token = caller_of(request).token
        if token is not None and token.environment == Environment.SANDBOX:
            raise NotInSandbox
        return True


class HasFreshLogin(NotGuest):
    """Allow users with a fresh login; no tokens and not the operators' key."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True, or refuse callers without a fresh login.

        Raises:
            AuthenticationRequired: the caller is a guest.
            FreshLoginRequired: the login is too old, or the caller has no session.
        """
        super().has_permission(request, view)
        if hasattr(view, str(request.method).lower()):  # otherwise it is 405 for all
            require_fresh_login(request._request)
        return True


class AllowGuests(BasePermission):
    """Allow all callers, guests too. The rules decide what guests may do."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True for every caller."""
        return True
