"""API of automatic top-ups."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.permissions import HasFreshLogin
from billing.payments import top_ups
from billing.serializers import TopUpSerializer

_OFF = {"enabled": False, "below": None, "product": None, "monthly_cap": None}


class TopUpView(APIView):
    """The automatic top-up of the workspace, for its owner."""

    permission_classes = (HasFreshLogin,)

    @extend_schema(operation_id="top_up_retrieve", responses=TopUpSerializer)
    def get(self, request: Request) -> Response:
        """Show the automatic top-up."""
        row = top_ups.settings_of(caller_of(request))
        return Response(TopUpSerializer(row).data if row else _OFF | {"error": ""})

    @extend_schema(
        operation_id="top_up_update",
        request=TopUpSerializer,
        responses=TopUpSerializer,
    )
    def put(self, request: Request) -> Response:
        """Buy a pack by the saved card whenever fewer credits are left than `below`."""
        asked = TopUpSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        with transaction.atomic(durable=True):
            row = top_ups.save(
                caller_of(request),
                is_enabled=wanted["is_enabled"],
                below=wanted["below"],
                product=wanted["pack"]["key"],
                monthly_cap=wanted["monthly_cap"],
            )
        return Response(TopUpSerializer(row).data)
