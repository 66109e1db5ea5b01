"""API of usage: the account standing of a workspace, and its usage history."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from billing.reports import standing, usage
from billing.reports.usage_csv import csv_response
from billing.serializers import HistorySerializer, StandingSerializer


class HistoryQuerySerializer(serializers.Serializer[Any]):
    """The query of a usage history: days, grouping and format."""

    group = serializers.ChoiceField(choices=list(usage.GROUPS), default="day")
    format = serializers.ChoiceField(choices=["json", "csv"], default="json")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `from` and `to`: the first is a keyword of Python."""
        return {
            "from": serializers.DateField(required=False, default=None),
            "to": serializers.DateField(required=False, default=None),
            **super().get_fields(),
        }


class UsageView(APIView):
    """The account standing of the caller's workspace."""

    @extend_schema(operation_id="usage_retrieve", responses=StandingSerializer)
    def get(self, request: Request) -> Response:
        """Show the month's allowance, the purchases, and what is left of both."""
        return Response(standing.of(caller_of(request)))


class UsageHistoryView(APIView):
    """The usage history of the caller's workspace."""

    @extend_schema(
        operation_id="usage_history",
        parameters=[
            OpenApiParameter("from", str, description="First day, UTC: 2026-11-01."),
            OpenApiParameter("to", str, description="Last day; by default today."),
            OpenApiParameter("group", str, enum=list(usage.GROUPS)),
            OpenApiParameter("format", str, enum=["json", "csv"]),
        ],
        responses=HistorySerializer,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Sum characters and credits by day, provider, voice or token."""
        names = ("from", "to", "group", "format")
        given = {n: request.query_params[n] for n in names if n in request.query_params}
        asked = HistoryQuerySerializer(data=given)
        asked.is_valid(raise_exception=True)
        query = asked.validated_data
        days = usage.Range.of(query["from"], query["to"])
        caller, group = caller_of(request), query["group"]
        if query["format"] == "csv":
            return csv_response(caller, days, group)
        return Response(
            {
                "from": days.first.isoformat(),
                "to": days.last.isoformat(),
                "group": group,
                "results": list(usage.history(caller, days, group)),
            }
        )
