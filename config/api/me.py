"""`/api/v1/me`: the caller's user, workspace, preferences and credits."""

from typing import Any

from django.contrib.auth import logout
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import Caller, Role, caller_of
from accounts.http.permissions import AllowGuests, HasFreshLogin, NotSandboxToken
from accounts.people import closing, preferences
from billing.ledger import wallets
from kit.rest.fields import CountedDictField


class OwnWorkspaceSerializer(serializers.Serializer[Any]):
    """The workspace of the request."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class SpendableSerializer(serializers.Serializer[Any]):
    """The balance of the wallet in the request's environment, in credits."""

    available = serializers.IntegerField()
    reserved = serializers.IntegerField()


class MeSerializer(serializers.Serializer[Any]):
    """The caller; for a guest everything except the role is null."""

    id = serializers.UUIDField(allow_null=True)
    email = serializers.EmailField(allow_null=True)
    role = serializers.ChoiceField(choices=[role.value for role in Role])
    workspace = OwnWorkspaceSerializer(allow_null=True)
    preferences = serializers.DictField(allow_null=True)
    credits = SpendableSerializer(allow_null=True)


class MeChangeSerializer(serializers.Serializer[Any]):
    """The fields that a user can change."""

    preferences = CountedDictField(
        max_length=1000,
        required=False,
        help_text="Merged at the top level; at most 16 KB in all.",
    )


class MeView(APIView):
    def get_permissions(self) -> list[BasePermission]:
        """Allow all to read, users to change, and a fresh login to close."""
        match self.request.method:
            case "PATCH":
                return [NotSandboxToken()]
            case "DELETE":
                return [HasFreshLogin()]
        return [AllowGuests()]

    @extend_schema(operation_id="me", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Return the caller: user, role, workspace, preferences and credits."""
        return Response(_me(caller_of(request)))

    @extend_schema(
        operation_id="me_change", request=MeChangeSerializer, responses=MeSerializer
    )
    def patch(self, request: Request) -> Response:
        """Change your preferences."""
        changes = MeChangeSerializer(data=request.data)
        changes.is_valid(raise_exception=True)
        caller = caller_of(request)
        if "preferences" in changes.validated_data:
            preferences.merge(caller.person, changes.validated_data["preferences"])
        return Response(_me(caller))

    @extend_schema(operation_id="me_close", request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Close your account at once, with a fresh login; not with a token.

        A login within 7 days reopens it. After that everything is deleted except the
        ledger, which is then anonymous.
        """
        with transaction.atomic(durable=True):
            closing.close(caller_of(request).person)
        logout(request._request)
        return Response(status=204)


def _me(caller: Caller) -> dict[str, Any]:
    user = caller.user
    me: dict[str, Any] = {
        "id": user and str(user.pk),
        "email": user and user.email,
        "role": caller.role,
        "workspace": None,
        "preferences": user and user.preferences,
        "credits": None,
    }
    if not caller.is_guest:
        workspace = caller.workspace
        wallet = wallets.wallet_of(workspace, caller.environment)
        credits = wallets.summary(wallet)
        me["workspace"] = {"id": str(workspace.pk), "name": workspace.name}
        me["credits"] = {
            "available": credits["balance"],
            "reserved": credits["reserved"],
        }
    return me
