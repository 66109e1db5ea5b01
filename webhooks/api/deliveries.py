"""API of deliveries: list, show and replay."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from kit import idempotency
from kit.errors import Invalid, NotFound
from webhooks.api.requests import endpoint_of
from webhooks.events import event_types
from webhooks.models import Delivery
from webhooks.models.querysets import DeliveryQuerySet
from webhooks.permissions import ManagesWebhooks
from webhooks.sending import replay
from webhooks.serializers import (
    DeliveryDetailSerializer,
    DeliverySerializer,
    ReplayedSerializer,
    ReplayRequestSerializer,
)

_FILTERS = [
    OpenApiParameter("status", str, enum=Delivery.Status.values),
    OpenApiParameter("type", str, description="Name of an event type."),
]


class DeliveriesOfEndpointView(GenericAPIView[Delivery]):
    """Deliveries of an endpoint."""

    permission_classes = [ManagesWebhooks]
    serializer_class = DeliverySerializer

    @extend_schema(
        operation_id="webhooks_deliveries",
        parameters=_FILTERS,
        responses=DeliverySerializer(many=True),
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """List the deliveries of the last 30 days, newest first."""
        found = endpoint_of(request, endpoint_id)
        mine = Delivery.objects.visible_to(caller_of(request)).filter(endpoint=found)
        page = self.paginate_queryset(_filtered(request, mine))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ReplayFailedView(APIView):
    """Replay the failed deliveries of an endpoint."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="webhooks_replay_failed",
        parameters=[IDEMPOTENCY_KEY],
        request=ReplayRequestSerializer,
        responses={202: ReplayedSerializer},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send undelivered events since a time again, with the same `webhook-id`s."""
        asked = ReplayRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = endpoint_of(request, endpoint_id)

        def run() -> idempotency.Answer:
            count = replay.replay_failed(found.pk, **asked.validated_data)
            return idempotency.Answer(202, {"replayed": count})

        return respond(idempotency.once(idempotency_key(request), run))


class DeliveriesView(GenericAPIView[Delivery]):
    """Deliveries to all endpoints, and to jobs' own addresses."""

    permission_classes = [ManagesWebhooks]
    serializer_class = DeliverySerializer

    @extend_schema(
        operation_id="deliveries_list",
        parameters=_FILTERS,
        responses=DeliverySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """List the deliveries of the last 30 days, newest first."""
        mine = Delivery.objects.visible_to(caller_of(request))
        page = self.paginate_queryset(_filtered(request, mine))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ReplayAllFailedView(APIView):
    """Replay the failed deliveries of a workspace."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="deliveries_replay_failed",
        parameters=[IDEMPOTENCY_KEY],
        request=ReplayRequestSerializer,
        responses={202: ReplayedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Send undelivered events since a time again, to jobs' own addresses too.

        Deliveries to disabled endpoints are left out; replay them when those are enabled.
        """
        asked = ReplayRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        mine = Delivery.objects.visible_to(caller_of(request))

        def run() -> idempotency.Answer:
            count = replay.replay_all_failed(mine, **asked.validated_data)
            return idempotency.Answer(202, {"replayed": count})

        return respond(idempotency.once(idempotency_key(request), run))


class DeliveryView(APIView):
    """One delivery."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="deliveries_retrieve", responses=DeliveryDetailSerializer
    )
    def get(self, request: Request, delivery_id: UUID) -> Response:
        """Show a delivery with its body and its attempts."""
        found = _delivery(request, delivery_id)
        return Response(DeliveryDetailSerializer(found).data)


class ReplayView(APIView):
    """Replay one delivery."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="deliveries_replay",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={202: DeliverySerializer},
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send an event again, with the same `webhook-id` and a new schedule."""
        found = _delivery(request, delivery_id)

        def run() -> idempotency.Answer:
            return accepted(replay.replay(found.pk))

        return respond(idempotency.once(idempotency_key(request), run))


def _delivery(request: Request, delivery_id: UUID) -> Delivery:
    mine = Delivery.objects.visible_to(caller_of(request))
    if found := mine.with_last_attempt().filter(pk=delivery_id).first():
        return found
    raise NotFound


def _filtered(request: Request, deliveries: DeliveryQuerySet) -> DeliveryQuerySet:
    """Filter deliveries by the query's status and type, and add their last attempts."""
    if status := request.query_params.get("status"):
        if status not in Delivery.Status.values:
            names = ", ".join(Delivery.Status.values)
            raise Invalid({"status": [f"Not one of {names}."]})
        deliveries = deliveries.filter(status=status)
    if name := request.query_params.get("type"):
        if name not in event_types():
            raise Invalid({"type": ["There is no such event type."]})
        deliveries = deliveries.filter(event__type=name)
    return deliveries.with_last_attempt()


def accepted(delivery: Delivery) -> idempotency.Answer:
    mine = Delivery.objects.for_workspace(delivery.workspace)
    shown = mine.with_last_attempt().get(pk=delivery.pk)
    return idempotency.Answer(202, dict(DeliverySerializer(shown).data))
