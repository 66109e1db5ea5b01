"""Authenticate customers of the mobile app by their ID at RevenueCat."""

from django.conf import settings
from rest_framework.request import Request

from accounts.caller import Caller
from accounts.errors import NotAllowed
from accounts.http.authentication import TokenOrCookie, is_admin_key
from accounts.models import Membership
from accounts.tokens import PREFIX
from billing.payments import mobile
from kit.requests import client_address

_REACHED = ("speech", "jobs", "estimate", "usage", "credits")
_READ = ("voices", "providers", "plans", "packs")
"""What a customer reaches below /api/v1/: nothing of teams, tokens, keys or webhooks."""
_NOT_REACHED = ("credits/notices",)


class TokenCookieOrCustomer(TokenOrCookie):
    """Authenticate by token or cookie, or by `Bearer` or `Customer` and a customer's ID."""

    def by_header(self, request: Request, header: str) -> Caller:
        """Return the caller that an Authorization header names.

        Raises:
            InvalidToken: there is no such token or customer.
            WeakCustomerId, NoSubscription, RateLimited: see `billing.payments.mobile`.
            NotAllowed: a customer does not reach this route.
        """
        scheme, _, credential = header.partition(" ")
        scheme, credential = scheme.lower(), credential.strip()
        is_customer = scheme == "customer" or (
            scheme == "bearer"
            and not credential.startswith(PREFIX)
            and not is_admin_key(credential)
        )
        if not settings.REVENUECAT_API_KEY or not is_customer:
            return super().by_header(request, header)
        customer = mobile.sign_in(credential, client_address(request._request))
        if not _reaches(request):
            raise NotAllowed
        # The only one in its workspace.
        return Caller(customer.workspace, member_role=Membership.Role.OWNER)


def _reaches(request: Request) -> bool:
    """Return whether customers reach the route of a request."""
    path = request.path.removeprefix("/api/v1/")
    name = path.partition("/")[0]
    if path in _NOT_REACHED:
        return False
    return name in _REACHED or (name in _READ and request.method == "GET")
