"""Shared code of the webhook views: the endpoint of a request, and its secret."""

from typing import Any
from uuid import UUID

from rest_framework.request import Request

from accounts.caller import Caller, caller_of
from accounts.http.freshness import require_fresh_login
from accounts.roles import Permission, require_permission
from kit.errors import NotFound
from kit.secrets import Secret
from webhooks.models import Endpoint
from webhooks.serializers import (
    EndpointSerializer,
)


def owner_of(request: Request) -> Caller:
    """Return the caller, who must be an owner with a fresh login.

    Raises:
        FreshLoginRequired: the last login was too long ago.
        NotAllowed: the caller is not an owner.
    """
    require_fresh_login(request._request)
    caller = caller_of(request)
    require_permission(caller.member_role, Permission.SEE_DEFAULT_SECRET)
    return caller


def endpoint_of(request: Request, endpoint_id: UUID) -> Endpoint:
    mine = Endpoint.objects.visible_to(caller_of(request))
    if found := mine.filter(pk=endpoint_id).first():
        return found
    raise NotFound


def with_secret(endpoint: Endpoint, secret: Secret) -> dict[str, Any]:
    return EndpointSerializer(endpoint).data | {"secret": secret.reveal_text()}


def without_secret(body: Any) -> Any:
    return body | {"secret": None}
