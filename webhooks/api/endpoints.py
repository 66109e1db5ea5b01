"""Webhooks over HTTP."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import Caller, caller_of
from accounts.http.freshness import require_fresh_login
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import IsKnown
from accounts.roles import Act, demand
from kit import idempotency
from kit.errors import Invalid, NotFound
from kit.secrets import Secret
from webhooks import endpoints
from webhooks.events import event_types
from webhooks.models import DefaultSigner, Delivery, Endpoint
from webhooks.models.querysets import DeliveryQuerySet
from webhooks.permissions import ManagesWebhooks
from webhooks.sending import replay, signing
from webhooks.serializers import (
    DefaultSecretSerializer,
    DeliveryDetailSerializer,
    DeliverySerializer,
    EndpointChangeSerializer,
    EndpointRequestSerializer,
    EndpointSecretSerializer,
    EndpointSerializer,
    EventTypeSerializer,
    ReplayedSerializer,
    ReplayRequestSerializer,
)

_FILTERS = [
    OpenApiParameter("status", str, enum=Delivery.Status.values),
    OpenApiParameter("type", str, description="Name of a type of event."),
]


class EndpointsView(GenericAPIView[Endpoint]):
    """The endpoints of a workspace."""

    permission_classes = [ManagesWebhooks]
    serializer_class = EndpointSerializer

    @extend_schema(
        operation_id="webhooks_list", responses=EndpointSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the endpoints, newest first."""
        mine = Endpoint.objects.visible_to(caller_of(request))
        page = self.paginate_queryset(mine)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="webhooks_create",
        parameters=[IDEMPOTENCY_KEY],
        request=EndpointRequestSerializer,
        responses={201: EndpointSecretSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make an endpoint. Its secret is in this answer and nowhere else.

        It hears of both environments unless it is given one; a token that is bound to an
        environment hands that on.
        """
        asked = EndpointRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        caller = caller_of(request)
        fields = dict(asked.validated_data)
        fields["environment"] = fields["environment"] or ""

        def act() -> idempotency.Answer:
            endpoint, secret = endpoints.create(
                caller.workspace, maker=caller.token, **fields
            )
            return idempotency.Answer(201, _with_secret(endpoint, secret))

        return respond(
            idempotency.once(idempotency_key(request), act, kept=_without_secret)
        )


class EndpointView(APIView):
    """One endpoint."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(operation_id="webhooks_retrieve", responses=EndpointSerializer)
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Show an endpoint and how it fares."""
        return Response(EndpointSerializer(_endpoint(request, endpoint_id)).data)

    @extend_schema(
        operation_id="webhooks_change",
        request=EndpointChangeSerializer,
        responses=EndpointSerializer,
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change an endpoint, or switch it off or on."""
        asked = EndpointChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        if "enabled" in fields:
            fields["is_enabled"] = fields.pop("enabled")
        found = _endpoint(request, endpoint_id)

        def act() -> idempotency.Answer:
            changed = endpoints.change(found.pk, **fields)
            return idempotency.Answer(200, dict(EndpointSerializer(changed).data))

        return respond(idempotency.once(idempotency_key(request), act))

    @extend_schema(operation_id="webhooks_delete", responses={204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Remove an endpoint; nothing more is sent to it."""
        found = _endpoint(request, endpoint_id)
        with transaction.atomic(durable=True):
            endpoints.delete(found.pk)
        return Response(status=204)


class RotateView(APIView):
    """A new secret."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="webhooks_rotate",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=EndpointSecretSerializer,
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Change the secret; for 24 hours both the new and the old one sign."""
        found = _endpoint(request, endpoint_id)

        def act() -> idempotency.Answer:
            return idempotency.Answer(200, _with_secret(*endpoints.rotate(found.pk)))

        return respond(
            idempotency.once(idempotency_key(request), act, kept=_without_secret)
        )


class TestView(APIView):
    """A test event."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="webhooks_test",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={202: DeliverySerializer},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send a `webhook.test` event to this endpoint, whatever it subscribes to."""
        found = _endpoint(request, endpoint_id)

        def act() -> idempotency.Answer:
            return _accepted(endpoints.send_test(found.pk))

        return respond(idempotency.once(idempotency_key(request), act))


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
        found = _endpoint(request, endpoint_id)
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
        found = _endpoint(request, endpoint_id)

        def act() -> idempotency.Answer:
            count = replay.replay_failed(found.pk, **asked.validated_data)
            return idempotency.Answer(202, {"replayed": count})

        return respond(idempotency.once(idempotency_key(request), act))


class DefaultSecretView(APIView):
    """The secret for jobs' own addresses."""

    permission_classes = [IsKnown]

    @extend_schema(
        operation_id="webhooks_default_secret", responses=DefaultSecretSerializer
    )
    def get(self, request: Request) -> Response:
        """Show what signs events to jobs' own addresses, to owners freshly logged in."""
        caller = _owner(request)
        return _default_secret(signing.default_signer(caller.workspace.pk))


class RotateDefaultSecretView(APIView):
    """A new secret for jobs' own addresses."""

    permission_classes = [IsKnown]

    @extend_schema(
        operation_id="webhooks_default_secret_rotate",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=DefaultSecretSerializer,
    )
    def post(self, request: Request) -> Response:
        """Change the default secret; for 24 hours both the new and the old one sign."""
        workspace = _owner(request).workspace

        def act() -> idempotency.Answer:
            signing.rotate_default(workspace.pk)
            return idempotency.Answer(200, None)

        answer = idempotency.once(idempotency_key(request), act)
        # Nothing secret is kept: repeated, it shows what is in use, as a GET does.
        return _default_secret(signing.default_signer(workspace.pk), answer)


class EventTypesView(APIView):
    """What can be subscribed to."""

    permission_classes = [IsKnown]

    @extend_schema(
        operation_id="webhooks_event_types", responses=EventTypeSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the types of event with an example of each."""
        return Response(EventTypeSerializer(event_types().values(), many=True).data)


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

        def act() -> idempotency.Answer:
            count = replay.replay_all_failed(mine, **asked.validated_data)
            return idempotency.Answer(202, {"replayed": count})

        return respond(idempotency.once(idempotency_key(request), act))


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

        def act() -> idempotency.Answer:
            return _accepted(replay.replay(found.pk))

        return respond(idempotency.once(idempotency_key(request), act))


def _owner(request: Request) -> Caller:
    """Return the caller, an owner who has just logged in.

    Raises:
        FreshLoginRequired, NotAllowed: it is somebody else.
    """
    require_fresh_login(request._request)
    caller = caller_of(request)
    demand(caller.member_role, Act.SEE_DEFAULT_SECRET)
    return caller


def _default_secret(
    signer: DefaultSigner, answer: idempotency.Answer | None = None
) -> Response:
    shown = DefaultSecretSerializer(signer).data
    response = respond(replace(answer or idempotency.Answer(200, None), body=shown))
    response["Cache-Control"] = "no-store"
    return response


def _endpoint(request: Request, endpoint_id: UUID) -> Endpoint:
    mine = Endpoint.objects.visible_to(caller_of(request))
    if found := mine.filter(pk=endpoint_id).first():
        return found
    raise NotFound


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


def _accepted(delivery: Delivery) -> idempotency.Answer:
    mine = Delivery.objects.for_workspace(delivery.workspace)
    shown = mine.with_last_attempt().get(pk=delivery.pk)
    return idempotency.Answer(202, dict(DeliverySerializer(shown).data))


def _with_secret(endpoint: Endpoint, secret: Secret) -> dict[str, Any]:
    return EndpointSerializer(endpoint).data | {"secret": secret.reveal_text()}


def _without_secret(body: Any) -> Any:
    return body | {"secret": None}
