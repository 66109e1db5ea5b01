"""Deliveries over HTTP: listed, shown, and sent again."""

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
    OpenApiParameter("type", str, description="Name of a type of event."),
]


class DeliveriesOfEndpointView(GenericAPIView[Delivery]):
    """What was sent to an endpoint."""

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
    """All failures of an endpoint once more."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="webhooks_replay_failed",
        parameters=[IDEMPOTENCY_KEY],
        request=ReplayRequestSerializer,
        responses={202: ReplayedSerializer},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send again what did not arrive since a time, under the same `webhook-id`s."""
        asked = ReplayRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = endpoint_of(request, endpoint_id)

        def run() -> idempotency.Answer:
            count = replay.replay_failed(found.pk, **asked.validated_data)
            return idempotency.Answer(202, {"replayed": count})

        return respond(idempotency.once(idempotency_key(request), run))


class DeliveriesView(GenericAPIView[Delivery]):
    """What was sent to all endpoints, and to jobs' own addresses."""

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
    """All failures of a workspace once more."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="deliveries_replay_failed",
        parameters=[IDEMPOTENCY_KEY],
        request=ReplayRequestSerializer,
        responses={202: ReplayedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Send again what did not arrive since a time, to jobs' own addresses too.

        What endpoints that are off have missed stays for when they are on again.
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
        """Show what was sent and what came back."""
        found = _delivery(request, delivery_id)
        return Response(DeliveryDetailSerializer(found).data)


class ReplayView(APIView):
    """One delivery once more."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="deliveries_replay",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={202: DeliverySerializer},
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send an event again, under the same `webhook-id`, with a new schedule."""
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
    """Return the deliveries that the query asks for, with their last attempts."""
    if status := request.query_params.get("status"):
        if status not in Delivery.Status.values:
            names = ", ".join(Delivery.Status.values)
            raise Invalid({"status": [f"Not one of {names}."]})
        deliveries = deliveries.filter(status=status)
    if name := request.query_params.get("type"):
        if name not in event_types():
            raise Invalid({"type": ["There is no such event."]})
        deliveries = deliveries.filter(event__type=name)
    return deliveries.with_last_attempt()


def accepted(delivery: Delivery) -> idempotency.Answer:
    mine = Delivery.objects.for_workspace(delivery.workspace)
    shown = mine.with_last_attempt().get(pk=delivery.pk)
    return idempotency.Answer(202, dict(DeliverySerializer(shown).data))
