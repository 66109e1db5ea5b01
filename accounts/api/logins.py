"""API to list and end logins."""

from typing import Any
from uuid import UUID

from django.contrib.auth import logout
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import sessions
from accounts.caller import caller_of
from accounts.http.permissions import NotSandboxToken
from accounts.models import LoginSession
from accounts.models.querysets import LoginSessionQuerySet
from accounts.serializers.login import (
    LoginSerializer,
)
from kit.errors import NotFound


class LoginsView(GenericAPIView[LoginSession]):
    permission_classes = [NotSandboxToken]
    serializer_class = LoginSerializer

    def get_queryset(self) -> LoginSessionQuerySet:
        """Return the caller's own logins."""
        return LoginSession.objects.for_user(caller_of(self.request).person)

    def get_serializer_context(self) -> dict[str, Any]:
        """Add `current`, the id of the login that sent the request; None for a token."""
        is_token = caller_of(self.request).token is not None
        own = None if is_token else sessions.current_login(self.request._request)
        return {**super().get_serializer_context(), "current": own}

    @extend_schema(operation_id="logins_list", responses=LoginSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the logins of the last 180 days, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class LoginView(GenericAPIView[LoginSession]):
    permission_classes = [NotSandboxToken]
    serializer_class = LoginSerializer

    @extend_schema(operation_id="logins_end", request=None, responses={204: None})
    def delete(self, request: Request, login_id: UUID) -> Response:
        """End a login: log its browser out at once."""
        caller = caller_of(request)
        row = LoginSession.objects.for_user(caller.person).filter(pk=login_id).first()
        if row is None:
            raise NotFound
        sessions.end(row)
        if caller.token is None and str(row.pk) == sessions.current_login(
            request._request
        ):
            logout(request._request)
        return Response(status=204)
