"""API of credits: the wallet, its ledger entries and the low-credit threshold."""

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from billing.ledger import notices, wallets
from billing.models import LedgerEntry, Wallet
from billing.models.querysets import EntryQuerySet
from billing.pagination import ByNumber
from billing.payments import customers
from billing.reports.usage import only_by
from billing.serializers import (
    CreditsSerializer,
    EntrySerializer,
    NoticesSerializer,
)
from webhooks.permissions import ManagesWebhooks


class CreditsView(APIView):
    """The wallet of the caller's workspace, in the environment of the request."""

    @extend_schema(operation_id="credits_retrieve", responses=CreditsSerializer)
    def get(self, request: Request) -> Response:
        """Show the balance of the wallet, and its totals."""
        summary = wallets.summary(_wallet(request))
        summary["customer_id"] = customers.id_of(caller_of(request).workspace)
        return Response(CreditsSerializer(summary).data)


class NoticesView(APIView):
    """The threshold of the event `credits.low`."""

    permission_classes = (ManagesWebhooks,)

    @extend_schema(operation_id="credits_notices_retrieve", responses=NoticesSerializer)
    def get(self, request: Request) -> Response:
        """Show the number of credits below which `credits.low` is sent."""
        return Response(NoticesSerializer(_wallet(request)).data)

    @extend_schema(
        operation_id="credits_notices_update",
        request=NoticesSerializer,
        responses=NoticesSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Set the threshold of `credits.low`, for the wallet of this environment."""
        wallet = _wallet(request)
        serializer = NoticesSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic(durable=True):
            notices.set_threshold(wallet.pk, serializer.validated_data["low_at"])
        return Response(serializer.data)


class EntriesView(ListAPIView[LedgerEntry]):
    """The wallet's side of the ledger."""

    serializer_class = EntrySerializer
    pagination_class = ByNumber

    def get_queryset(self) -> EntryQuerySet:
        entries = LedgerEntry.objects.statement(_wallet(self.request))
        return entries.used_by(only_by(caller_of(self.request)))

    @extend_schema(operation_id="credits_entries_list")
    def get(self, request: Request) -> Response:
        """List the movements of credits, newest first; for members only their own use."""
        return self.list(request)


def _wallet(request: Request) -> Wallet:
    caller = caller_of(request)
    return wallets.wallet_of(caller.workspace, caller.environment)
