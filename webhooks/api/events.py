"""API of event types."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.http.permissions import NotGuest
from webhooks.events import event_types
from webhooks.serializers import (
    EventTypeSerializer,
)


class EventTypesView(APIView):
    """The event types that endpoints can subscribe to."""

    permission_classes = [NotGuest]

    @extend_schema(
        operation_id="webhooks_event_types", responses=EventTypeSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the event types with an example of each."""
        return Response(EventTypeSerializer(event_types().values(), many=True).data)
