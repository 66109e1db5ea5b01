"""API of plans and packs on sale, open to guests too."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.http.permissions import AllowGuests
from billing.plans import products
from billing.serializers import PackSerializer, PlanSerializer


class PlansView(APIView):
    """Plans on sale."""

    permission_classes = (AllowGuests,)

    @extend_schema(operation_id="plans_list", responses=PlanSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the plans, the cheapest first."""
        return Response(PlanSerializer(products.offered_plans(), many=True).data)


class PacksView(APIView):
    """Packs on sale."""

    permission_classes = (AllowGuests,)

    @extend_schema(operation_id="packs_list", responses=PackSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the packs, the cheapest first."""
        return Response(PackSerializer(products.offered_packs(), many=True).data)
