"""Logging in and out over HTTP, and the history of logins."""

from django.conf import settings
from django.contrib.auth import logout
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import sessions
from accounts.caller import caller_of
from accounts.errors import NotAllowed
from accounts.http.login_cookie import forget, remember
from accounts.http.permissions import GuestsWelcome, IsKnown
from accounts.login import codes
from accounts.models import LoginSession
from accounts.serializers.login import (
    CodeRequestSerializer,
    LoginRequestSerializer,
    NewLoginSerializer,
)


class CodeView(APIView):
    """Codes by mail."""

    permission_classes = [GuestsWelcome]

    @extend_schema(
        operation_id="auth_code", request=CodeRequestSerializer, responses={202: None}
    )
    def post(self, request: Request) -> Response:
        """Mail a login code of six digits, good for 10 minutes and 5 tries.

        The answer is the same whether the address is known or not. Its cookie binds the
        code to this browser.
        """
        _refuse_other_sites(request)
        asked = CodeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        browser = codes.ask(
            asked.validated_data["email"],
            address=caller_of(request).address,
            device=sessions.device_of(request._request),
        )
        response = Response({}, status=202)
        remember(response, browser)
        return response


class SessionView(APIView):
    """The session of a browser."""

    def get_permissions(self) -> list[BasePermission]:
        """Let everybody log in, and who is logged in, log out."""
        return [IsKnown() if self.request.method == "DELETE" else GuestsWelcome()]

    @extend_schema(
        operation_id="auth_log_in",
        request=LoginRequestSerializer,
        responses=NewLoginSerializer,
    )
    def post(self, request: Request) -> Response:
        """Log in with the code that was mailed; a new address is signed up."""
        _refuse_other_sites(request)
        sent = LoginRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        user = codes.redeem(
            request.COOKIES.get(settings.LOGIN_COOKIE_NAME, ""),
            address=caller_of(request).address,
            device=sessions.device_of(request._request),
            **sent.validated_data,
        )
        sessions.log_in(request._request, user, LoginSession.Method.CODE)
        response = Response(NewLoginSerializer({"user": user}).data)
        forget(response)
        return response

    @extend_schema(operation_id="auth_log_out", request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Log out. A token has no login to end: nothing changes."""
        if "HTTP_AUTHORIZATION" not in request.META:
            logout(request._request)
        return Response(status=204)


def _refuse_other_sites(request: Request) -> None:
    """Let no page of somebody else's log a browser in, or ask for codes through it.

    There is no login yet whose CSRF token could be asked for, and a cookie with SameSite
    still comes from a neighbouring subdomain. Browsers say where a request began;
    programs say nothing.

    Raises:
        NotAllowed: it began on another site.
    """
    is_foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    is_trusted = request.headers.get("Origin") in settings.CSRF_TRUSTED_ORIGINS
    if is_foreign and not is_trusted:
        raise NotAllowed
