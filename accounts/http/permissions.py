"""Who may use a view at all; what belongs to whom is decided by querysets."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.caller import caller_of
from accounts.errors import AuthenticationRequired
from accounts.http.freshness import require_fresh_login

if TYPE_CHECKING:  # REST framework loads this module while it loads its views
    from rest_framework.views import APIView


class IsKnown(BasePermission):
    """Everybody but guests: the default of all views."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True.

        Raises:
            AuthenticationRequired: it is a guest.
        """
        if caller_of(request).is_guest:
            raise AuthenticationRequired
        return True


class IsPerson(BasePermission):
    """A user, by cookie or by token; the operators' key is nobody in particular."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True.

        Raises:
            AuthenticationRequired: it is a guest.
            NotAllowed: it is the operators' key.
        """
        return bool(caller_of(request).person)


class IsFreshPerson(IsKnown):
    """A user who has just logged in; neither a token nor the operators' key."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True.

        Raises:
            AuthenticationRequired: it is a guest.
            FreshLoginRequired: the login is older, or it is no login.
        """
        super().has_permission(request, view)
        if hasattr(view, str(request.method).lower()):  # or it is 405, whoever asks
            require_fresh_login(request._request)
        return True


class GuestsWelcome(BasePermission):
    """Everybody. What guests may do within is the rule's own business."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True."""
        return True
