"""API of orders: check out, follow an order, list past payments."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key
from accounts.http.permissions import IsUser, NotGuest
from accounts.roles import Permission, require_permission
from billing.models import Order
from billing.models.orders import OrderQuerySet
from billing.payments import orders
from billing.serializers import (
    CheckoutRequestSerializer,
    CheckoutSerializer,
    OrderSerializer,
    PortalSerializer,
)
from kit import idempotency
from kit.errors import NotFound


class SeesMoney(NotGuest):
    """Allow members who may see payments."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True, or refuse other members, and the operators' key.

        Raises:
            AuthenticationRequired: the caller is a guest.
            NotAllowed: the caller's role may not see payments.
        """
        super().has_permission(request, view)
        require_permission(caller_of(request).member_role, Permission.SEE_MONEY)
        return True


class Buys(IsUser):
    """Allow users who may buy for the workspace, also before a repeated request."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True, or refuse other callers.

        Raises:
            AuthenticationRequired: the caller is a guest.
            NotAllowed: the caller's role may not buy.
        """
        super().has_permission(request, view)
        require_permission(caller_of(request).member_role, Permission.BUY)
        return True


class CheckoutView(APIView):
    """Buy a pack or a plan."""

    permission_classes = (Buys,)

    @extend_schema(
        operation_id="checkout",
        parameters=[IDEMPOTENCY_KEY],
        request=CheckoutRequestSerializer,
        responses={201: CheckoutSerializer},
    )
    def post(self, request: Request) -> Response:
        """Place an order, and return the address at which it is paid.

        If the gateway does not answer, send the request again with the same
        Idempotency-Key: it is the same order.
        """
        asked = CheckoutRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        caller = caller_of(request)
        wanted = asked.validated_data

        def run() -> idempotency.Answer:
            order = orders.place(caller, wanted["product"], wanted["gateway"])
            return idempotency.Answer(201, {"order_id": str(order.pk)})

        key = idempotency_key(request, is_personal=True)
        placed = idempotency.once(key, run)
        # Outside of that transaction, as it calls the gateway.
        order = Order.objects.visible_to(caller).get(pk=placed.body["order_id"])
        body = placed.body | {"redirect_url": orders.pay_page(order)}
        response = Response(body, status=placed.status)
        if placed.replayed:
            response["Idempotent-Replayed"] = "true"
        return response


class OrdersView(ListAPIView[Order]):
    """Orders of the caller's workspace."""

    permission_classes = (SeesMoney,)
    serializer_class = OrderSerializer

    def get_queryset(self) -> OrderQuerySet:
        return Order.objects.visible_to(caller_of(self.request))

    @extend_schema(operation_id="orders_list")
    def get(self, request: Request) -> Response:
        """List the orders of this environment, newest first."""
        return self.list(request)


class OrderView(APIView):
    """One order."""

    permission_classes = (SeesMoney,)

    @extend_schema(operation_id="orders_retrieve", responses=OrderSerializer)
    def get(self, request: Request, order_id: UUID) -> Response:
        """Show an order. Its credits are there as soon as it is `paid`."""
        order = Order.objects.visible_to(caller_of(request)).filter(pk=order_id).first()
        if order is None:
            raise NotFound
        return Response(OrderSerializer(order).data)


class PortalView(APIView):
    """The portal of the gateway that bills the plan."""

    permission_classes = (Buys,)

    @extend_schema(
        operation_id="billing_portal", request=None, responses=PortalSerializer
    )
    def post(self, request: Request) -> Response:
        """Return the address at which cards, invoices and the plan are managed."""
        return Response({"redirect_url": orders.portal(caller_of(request))})
