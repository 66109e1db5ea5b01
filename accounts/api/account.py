"""One's own data over HTTP."""

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import IsPerson
from accounts.models import Export
from accounts.people import exports
from kit import idempotency
from kit.files.downloads import send


class ExportSerializer(serializers.ModelSerializer[Export]):
    """An archive that is being made."""

    class Meta:
        model = Export
        fields = ["id", "status", "created_at"]
        read_only_fields = fields


class ExportView(APIView):
    """An archive of all one's own data: JSON and audio."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="me_export",
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            202: ExportSerializer,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Send the archive, or have it made: 202, and it is there some seconds later.

        For a day the same one is sent; POST makes a new one. By cookie it holds all
        workspaces that one owns, and what one made in others; by token, the token's.
        """
        export = exports.get_or_begin(caller_of(request))
        if export.status != Export.Status.COMPLETED:
            return _soon(_underway(export))
        return send(
            request, export.file, "application/zip", exports.download_name(export)
        )

    @extend_schema(
        operation_id="me_export_again",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={202: ExportSerializer},
    )
    def post(self, request: Request) -> Response:
        """Have a new archive made, unless one is under way; five a day."""
        caller = caller_of(request)

        def run() -> idempotency.Answer:
            return _underway(exports.begin(caller))

        return _soon(idempotency.once(idempotency_key(request, is_personal=True), run))


def _underway(export: Export) -> idempotency.Answer:
    return idempotency.Answer(202, dict(ExportSerializer(export).data))


def _soon(answer: idempotency.Answer) -> Response:
    response = respond(answer)
    response["Retry-After"] = "1"
    return response
