"""Admin of wallets and their ledger, read-only.

The actions on credits are in `billing.admin.corrections`.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator

from billing.admin.corrections import (
    LotActions,
    TransactionActions,
    WalletActions,
)
from billing.admin.subscriptions import PlanActions
from billing.models import (
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Reservation,
    ReservationSlice,
    Wallet,
)
from kit.back_office import ReadOnly


class LotInline(ReadOnly, TabularInline):
    """The lots of a wallet."""

    model = Lot
    fields = [
        "source",
        "kind",
        "granted",
        "available",
        "reserved",
        "consumed",
        "expired",
        "revoked",
        "adjusted",
        "repaid",
        "expires_at",
    ]
    readonly_fields = fields
    ordering = ["priority", "expires_at", "id"]
    per_page = 20
    extra = 0
    show_change_link = True


class LotRowInline(ReadOnly, TabularInline):
    """Base of inlines whose rows have a lot."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("lot")


class SliceInline(LotRowInline):
    """The slices of a reservation, in the order of capture."""

    model = ReservationSlice
    fields = ["ordinal", "lot", "amount"]
    readonly_fields = fields
    extra = 0


class EntryInline(LotRowInline):
    """The entries of a transaction."""

    model = LedgerEntry
    fields = ["bucket", "amount", "lot", "balance_after"]
    readonly_fields = fields
    ordering = ["id"]
    extra = 0


class WalletRowAdmin(ReadOnly, ModelAdmin):
    """Base of the admin of rows that belong to a wallet."""

    list_select_related = ["wallet__workspace"]
    # Queried one by one: a condition over several tables would use none of their indexes.
    exactly: tuple[str, ...] = ()
    search_fields = ["wallet__workspace__name"]  # shows the field; see below
    search_help_text = (
        "Name of the workspace, email address of a member, or the exact key or ID."
    )
    ordering = ["-id"]
    paginator = InfinitePaginator  # counting a ledger takes as long as reading it
    show_full_result_count = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return exact matches in `exactly`, else the rows of matching workspaces."""
        text = search_term.strip()
        if not text:
            return queryset, False
        for column in self.exactly:
            found = queryset.filter(**{column: text})
            if found.exists():
                return found, False
        wallets = Wallet.objects.filter(
            Q(workspace__name__icontains=text)
            | Q(workspace__members__email__icontains=text)
        )
        return queryset.filter(wallet__in=wallets.values("pk")), False

    @admin.display(description="workspace", ordering="wallet__workspace__name")
    def workspace(self, row: Any) -> str:
        """Return the name of the workspace, as a link to the wallet."""
        address = reverse("admin:billing_wallet_change", args=[row.wallet_id])
        return format_html('<a href="{}">{}</a>', address, row.wallet.workspace)


@admin.register(Wallet)
class WalletAdmin(WalletActions, PlanActions, ReadOnly, ModelAdmin):
    """The credits of every workspace, in each environment."""

    list_display = [
        "workspace",
        "environment",
        "available",
        "reserved",
        "debt",
        "granted",
        "consumed",
        "last_activity_at",
    ]
    list_filter = ["environment"]
    list_select_related = ["workspace"]
    search_fields = ["workspace__name", "workspace__members__email", "=workspace__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        *list_display,
        *("low_at", "seq", "created_at", "transactions", "reservations"),
    ]
    readonly_fields = fields
    inlines = [LotInline]
    actions_detail = ["grant", "adjust", "rebuild", "set_plan"]

    @admin.display(description="transactions")
    def transactions(self, wallet: Wallet) -> str:
        return _link("ledgertransaction", wallet, f"{wallet.seq} transactions")

    @admin.display(description="reservations")
    def reservations(self, wallet: Wallet) -> str:
        return _link("reservation", wallet, "All reservations")


@admin.register(Lot)
class LotAdmin(LotActions, WalletRowAdmin):
    """Lots of credits."""

    list_display = [
        "source",
        "workspace",
        "environment",
        "kind",
        "granted",
        "available",
        "reserved",
        "consumed",
        "expired",
        "revoked",
        "adjusted",
        "repaid",
        "expires_at",
    ]
    list_filter = ["kind", "environment", "lapses"]
    exactly = ("source",)
    fields = [
        *list_display,
        "lapses",
        "restores",
        "priority",
        "effective_at",
        "created_at",
    ]
    readonly_fields = fields
    actions_detail = ["refund"]


@admin.register(Reservation)
class ReservationAdmin(WalletRowAdmin):
    """Credits held for work."""

    list_display = [
        "key",
        "workspace",
        "amount",
        "captured",
        "released",
        "left",
        "deadline",
        "created_at",
    ]
    list_filter = ["wallet__environment"]
    exactly = ("key", "job")
    fields = [*list_display, "job", "transactions"]
    readonly_fields = fields
    inlines = [SliceInline]

    @admin.display(description="transactions")
    def transactions(self, reservation: Reservation) -> str:
        address = reverse("admin:billing_ledgertransaction_changelist")
        query = urlencode({"reservation__id__exact": reservation.pk})
        return format_html('<a href="{}?{}">All postings</a>', address, query)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(TransactionActions, WalletRowAdmin):
    """The ledger, posting by posting."""

    list_display = ["key", "kind", "workspace", "environment", "seq", "created_at"]
    list_filter = ["kind", "environment"]
    exactly = ("key", "reservation__job")
    fields = [
        *list_display,
        "id",
        "reservation",
        "actor",
        "reason",
        "ticket",
        "fingerprint",
    ]
    readonly_fields = fields
    inlines = [EntryInline]
    actions_detail = ["reverse"]


def _link(model: str, wallet: Wallet, text: str) -> str:
    address = reverse(f"admin:billing_{model}_changelist")
    query = urlencode({"wallet__id__exact": wallet.pk})
    return format_html('<a href="{}?{}">{}</a>', address, query, text)
