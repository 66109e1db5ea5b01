"""Credits over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from billing import wallets
from billing.models import LedgerEntry, Wallet
from billing.querysets import EntryQuerySet
from billing.serializers import CreditsSerializer, EntrySerializer
from kit.pagination import NewestFirst


class ByNumber(NewestFirst):
    """Newest first by the number of the transaction in its wallet, which has no gaps."""

    ordering = ("-seq", "-id")
    offset_cutoff = (
        100_000  # entries of one transaction; two for each lot that it drew on
    )


class CreditsView(APIView):
    """The wallet of the caller's workspace, in the environment of the request."""

    @extend_schema(operation_id="credits_retrieve", responses=CreditsSerializer)
    def get(self, request: Request) -> Response:
        """Show what is in the wallet, and what ever was."""
        return Response(CreditsSerializer(wallets.summary(_wallet(request))).data)


class EntriesView(ListAPIView[LedgerEntry]):
    """The wallet's side of the ledger."""

    serializer_class = EntrySerializer
    pagination_class = ByNumber

    def get_queryset(self) -> EntryQuerySet:
        """Return the entries that say what happened to the caller's credits."""
        return LedgerEntry.objects.statement(_wallet(self.request))

    @extend_schema(operation_id="credits_entries_list")
    def get(self, request: Request) -> Response:
        """List every movement of credits, newest first."""
        return self.list(request)


def _wallet(request: Request) -> Wallet:
    caller = caller_of(request)
    return wallets.wallet_of(caller.workspace, caller.environment)
