"""API of workspaces' own keys: list, save and remove."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.permissions import IsUser, NotSandboxToken
from kit.secrets import Secret
from providers.keys import saving
from providers.models import ProviderKey
from providers.serializers import (
    ProviderKeyRequestSerializer,
    ProviderKeySerializer,
)


class ProviderKeysView(APIView):
    permission_classes = [IsUser]

    @extend_schema(
        operation_id="provider_keys_list", responses=ProviderKeySerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the workspace's own keys, without the keys themselves."""
        rows = ProviderKey.objects.for_workspace(caller_of(request).workspace)
        rows = rows.select_related("provider")
        return Response(ProviderKeySerializer(rows, many=True).data)


class ProviderKeyView(APIView):
    permission_classes = [NotSandboxToken]

    @extend_schema(
        operation_id="provider_keys_save",
        request=ProviderKeyRequestSerializer,
        responses=ProviderKeySerializer,
    )
    def put(self, request: Request, provider: str) -> Response:
        """Check a key with the provider and save it; for owners and admins.

        From then on the workspace's scenes with that provider's voices use the key and cost
        no credits.
        """
        asked = ProviderKeyRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        fields: dict[str, Any] = asked.validated_data
        row = saving.save(
            caller_of(request), provider, Secret(fields["key"]), region=fields["region"]
        )
        return Response(ProviderKeySerializer(row).data)

    @extend_schema(
        operation_id="provider_keys_remove", request=None, responses={204: None}
    )
    def delete(self, request: Request, provider: str) -> Response:
        """Delete a key; for owners and admins."""
        saving.remove(caller_of(request), provider)
        return Response(status=204)
