"""API to export a user's own data."""

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import IsUser
from accounts.models import Export
from accounts.people import exports
from kit import idempotency
from kit.files.downloads import send


class ExportSerializer(serializers.ModelSerializer[Export]):
    """An archive that is not ready yet."""

    class Meta:
        model = Export
        fields = ["id", "status", "created_at"]
        read_only_fields = fields


class ExportView(APIView):
    permission_classes = [IsUser]

    @extend_schema(
        operation_id="me_export",
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            202: ExportSerializer,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Download an archive (zip) of your data: JSON and audio files.

        If there is none yet, the answer is 202 and the archive is made in some seconds. The
        same archive is sent for a day; POST makes a new one. By cookie it contains all
        workspaces that you own, and what you made in others; by token, the token's
        workspace and environment.
        """
        export = exports.get_or_begin(caller_of(request))
        if export.status != Export.Status.COMPLETED:
            return _retry_later(_unfinished(export))
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
        """Make a new archive, unless one is being made; up to five a day."""
        caller = caller_of(request)

        def run() -> idempotency.Answer:
            return _unfinished(exports.begin(caller))

        return _retry_later(
            idempotency.once(idempotency_key(request, is_personal=True), run)
        )


def _unfinished(export: Export) -> idempotency.Answer:
    return idempotency.Answer(202, dict(ExportSerializer(export).data))


def _retry_later(answer: idempotency.Answer) -> Response:
    response = respond(answer)
    response["Retry-After"] = "1"
    return response
