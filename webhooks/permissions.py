"""Permissions to see and change webhooks."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from accounts.caller import Caller, caller_of
from accounts.errors import NotAllowed
from accounts.http.permissions import NotGuest
from accounts.roles import Permission, has_permission

if TYPE_CHECKING:  # REST framework loads this module while it loads its views
    from rest_framework.views import APIView


class ManagesWebhooks(NotGuest):
    """Members may read, owners and admins may change: an endpoint gets all events."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return True.

        Raises:
            AuthenticationRequired: the caller is a guest.
            NotAllowed: a member without the permission wants to change something.
        """
        super().has_permission(request, view)
        if request.method not in SAFE_METHODS and not can_manage(caller_of(request)):
            raise NotAllowed
        return True


def can_manage(caller: Caller) -> bool:
    """Return whether `caller` has the permission to change the workspace's webhooks."""
    return caller.is_operator or has_permission(
        caller.member_role, Permission.MANAGE_WEBHOOKS
    )
