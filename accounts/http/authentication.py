"""Authenticate API requests by token (programs) or by session cookie (browsers).

If a request has an Authorization header, only that counts: when it is refused, the cookie
is not tried.
"""

import hmac
from dataclasses import replace

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts import tokens
from accounts.caller import Caller, Environment
from accounts.errors import Blocked, CSRFFailed, InvalidEnvironment, InvalidToken
from accounts.models import User
from accounts.people import workspaces
from kit.requests import client_address

SHORTEST_ADMIN_KEY = 32  # characters


class TokenOrCookie(BaseAuthentication):
    """Authenticate a request; `request.auth` is always a Caller, for guests too.

    The Caller is also set as `caller` on Django's request as soon as it is known, so that
    error responses can carry its rate limits.
    """

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Caller]:
        """Return the user and the Caller.

        Raises:
            InvalidToken: the Authorization header has no valid token.
            CSRFFailed: the cookie was sent without a valid CSRF token.
            NotFound: the user is not a member of the workspace in X-Workspace.
            Blocked: the user or the workspace is blocked.
            InvalidEnvironment: the environment is unknown, or not the token's.
        """
        if "HTTP_AUTHORIZATION" in request.META:
            caller = self.by_header(request, request.META["HTTP_AUTHORIZATION"])
        else:
            caller = _by_cookie(request)
        caller = replace(caller, address=client_address(request._request))
        request._request.caller = caller  # type: ignore[attr-defined]
        user = caller.user
        if caller.workspace.is_blocked or (
            user and (user.is_blocked or not user.is_active)
        ):
            raise Blocked
        caller = replace(caller, environment=_environment(request, caller))
        request._request.caller = caller  # type: ignore[attr-defined]
        if caller.token:
            tokens.record_use(caller.token)
        return user or AnonymousUser(), caller

    def by_header(self, request: Request, header: str) -> Caller:
        """Return the caller that an Authorization header names.

        Raises:
            InvalidToken: it names none.
        """
        return _by_bearer(header)

    def authenticate_header(self, request: Request) -> str:
        """Return the scheme for WWW-Authenticate of a 401."""
        return "Bearer"


def _by_bearer(header: str) -> Caller:
    scheme, _, credential = header.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer":  # RFC 9110 §11.1: case-insensitive
        raise InvalidToken
    if is_admin_key(credential):
        return Caller(workspaces.operators())
    token = tokens.find(credential)
    return Caller(
        token.workspace,
        user=token.created_by,
        token=token,
        member_role=token.creators_role,
    )


def is_admin_key(credential: str) -> bool:
    """Return whether a credential is the operators' key, which has to be long."""
    key: str = settings.ADMIN_ACCESS_KEY
    if len(key) < SHORTEST_ADMIN_KEY:
        return False
    # WSGI decodes headers as Latin-1, whatever their encoding is.
    return hmac.compare_digest(credential.encode("latin-1", "replace"), key.encode())


def _by_cookie(request: Request) -> Caller:
    user = request._request.user
    # Closing an account ends its logins; one that began at the same moment doesn't count.
    if not isinstance(user, User) or user.closed_at is not None:
        return Caller(workspaces.guests())
    try:
        SessionAuthentication().enforce_csrf(request)
    except PermissionDenied as error:
        raise CSRFFailed from error
    membership = workspaces.membership_of(user, request.META.get("HTTP_X_WORKSPACE"))
    return Caller(membership.workspace, user=user, member_role=membership.role)


def _environment(request: Request, caller: Caller) -> Environment:
    """Return the environment of header, query and token, which must agree."""
    asked = request.query_params.getlist("environment")
    if "HTTP_X_ENVIRONMENT" in request.META:
        asked.append(request.META["HTTP_X_ENVIRONMENT"])
    if caller.token and caller.token.environment:
        asked.append(caller.token.environment)
    names = {name.upper() for name in asked}
    if not names:
        return Environment.PRODUCTION
    if len(names) > 1 or not names <= set(Environment):
        raise InvalidEnvironment
    return Environment(names.pop())
