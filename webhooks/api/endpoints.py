"""API of endpoints: create, change, delete, rotate the secret, send a test."""

from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from kit import idempotency
from webhooks import endpoints
from webhooks.api.deliveries import accepted
from webhooks.api.requests import endpoint_of, with_secret, without_secret
from webhooks.models import Endpoint
from webhooks.permissions import ManagesWebhooks
from webhooks.serializers import (
    DeliverySerializer,
    EndpointChangeSerializer,
    EndpointRequestSerializer,
    EndpointSecretSerializer,
    EndpointSerializer,
)


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
        """Create an endpoint. Only this answer shows its secret.

        It gets events of both environments unless one is given. With a token that is bound
        to an environment, the endpoint is bound to it too.
        """
        asked = EndpointRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        caller = caller_of(request)
        fields = dict(asked.validated_data)
        fields["environment"] = fields["environment"] or ""

        def run() -> idempotency.Answer:
            endpoint, secret = endpoints.create(
                caller.workspace, maker=caller.token, **fields
            )
            return idempotency.Answer(201, with_secret(endpoint, secret))

        return respond(
            idempotency.once(idempotency_key(request), run, redact=without_secret)
        )


class EndpointView(APIView):
    """One endpoint."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(operation_id="webhooks_retrieve", responses=EndpointSerializer)
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Show an endpoint and its health."""
        return Response(EndpointSerializer(endpoint_of(request, endpoint_id)).data)

    @extend_schema(
        operation_id="webhooks_change",
        request=EndpointChangeSerializer,
        responses=EndpointSerializer,
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change an endpoint, or disable or enable it."""
        asked = EndpointChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        if "enabled" in fields:
            fields["is_enabled"] = fields.pop("enabled")
        found = endpoint_of(request, endpoint_id)

        def run() -> idempotency.Answer:
            changed = endpoints.change(found.pk, **fields)
            return idempotency.Answer(200, dict(EndpointSerializer(changed).data))

        return respond(idempotency.once(idempotency_key(request), run))

    @extend_schema(operation_id="webhooks_delete", responses={204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete an endpoint; nothing more is sent to it."""
        found = endpoint_of(request, endpoint_id)
        with transaction.atomic(durable=True):
            endpoints.delete(found.pk)
        return Response(status=204)


class RotateView(APIView):
    """Rotate the secret of an endpoint."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="webhooks_rotate",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=EndpointSecretSerializer,
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Change the secret; for 24 hours both the new and the old one sign."""
        found = endpoint_of(request, endpoint_id)

        def run() -> idempotency.Answer:
            return idempotency.Answer(200, with_secret(*endpoints.rotate(found.pk)))

        return respond(
            idempotency.once(idempotency_key(request), run, redact=without_secret)
        )


class TestView(APIView):
    """Send a test event."""

    permission_classes = [ManagesWebhooks]

    @extend_schema(
        operation_id="webhooks_test",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={202: DeliverySerializer},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send a `webhook.test` event to this endpoint, regardless of its subscriptions."""
        found = endpoint_of(request, endpoint_id)

        def run() -> idempotency.Answer:
            return accepted(endpoints.send_test(found.pk))

        return respond(idempotency.once(idempotency_key(request), run))
