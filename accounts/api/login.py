"""API to log in and out."""

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
from accounts.http.permissions import AllowGuests, NotGuest
from accounts.login import codes
from accounts.models import LoginSession
from accounts.serializers.login import (
    CodeRequestSerializer,
    LoginRequestSerializer,
    NewLoginSerializer,
)


class CodeView(APIView):
    permission_classes = [AllowGuests]

    @extend_schema(
        operation_id="auth_code", request=CodeRequestSerializer, responses={202: None}
    )
    def post(self, request: Request) -> Response:
        """Mail a login code of six digits, good for 10 minutes and 5 tries.

        The answer is the same for known and unknown addresses. Its cookie binds the code to
        this browser.
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
    def get_permissions(self) -> list[BasePermission]:
        """Allow everyone to log in, and callers that are not guests to log out."""
        return [NotGuest() if self.request.method == "DELETE" else AllowGuests()]

    @extend_schema(
        operation_id="auth_log_in",
        request=LoginRequestSerializer,
        responses=NewLoginSerializer,
    )
    def post(self, request: Request) -> Response:
        """Log in with the mailed code; a new email address is signed up."""
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
        """Log out the browser. With a token, nothing changes."""
        if "HTTP_AUTHORIZATION" not in request.META:
            logout(request._request)
        return Response(status=204)


def _refuse_other_sites(request: Request) -> None:
    """Refuse requests that a browser sends from another site (login CSRF).

    There is no login yet, so no CSRF token to check. A SameSite cookie does not help
    against pages of a neighboring subdomain. Browsers name the origin of a request in
    Origin, and newer ones describe it in Sec-Fetch-Site; programs send neither, and are
    allowed.

    Raises:
        NotAllowed: the request comes from another site.
    """
    origin = request.headers.get("Origin")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return
    own = (f"{request.scheme}://{request.get_host()}", settings.BASE_URL)
    is_foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    if is_foreign or (origin is not None and origin not in own):
        raise NotAllowed
