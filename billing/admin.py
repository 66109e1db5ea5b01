"""Wallets and their ledger in the back office: everything is shown, nothing edited.

Credits are given by a form that calls the ledger, with a reason, under the operator's name.
"""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.paginator import InfinitePaginator
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from billing import admin_promo, admin_usage, ledger
from billing.admin_products import SetsPlans
from billing.models import (
    LONGEST_REASON,
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Reservation,
    ReservationSlice,
    Wallet,
)
from kit.admin import ReadOnly
from kit.errors import AppError
from kit.ids import new_id


class GrantForm(forms.Form):
    """Credits for a wallet. `key` makes a form that is sent twice count once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    credits = forms.IntegerField(
        min_value=1,
        max_value=ledger.LARGEST_GRANT,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    bucket = forms.ChoiceField(
        choices=[(Lot.Kind.PACK, "Pack"), (Lot.Kind.PROMO, "Promotional")],
        widget=UnfoldAdminSelectWidget,
        help_text="Promotional credits lapse after a year without activity.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer sees it in the statement.",
    )


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
        "expires_at",
    ]
    readonly_fields = fields
    ordering = ["priority", "expires_at", "id"]
    per_page = 20
    extra = 0
    show_change_link = True


class SliceInline(ReadOnly, TabularInline):
    """What a reservation was drawn from, in the order of capture."""

    model = ReservationSlice
    fields = ["ordinal", "lot", "amount"]
    readonly_fields = fields
    extra = 0


class EntryInline(ReadOnly, TabularInline):
    """The entries of a transaction."""

    model = LedgerEntry
    fields = ["bucket", "amount", "lot", "balance_after"]
    readonly_fields = fields
    ordering = ["id"]
    extra = 0


class OfWallet(ReadOnly, ModelAdmin):
    """What all rows that belong to a wallet share."""

    list_select_related = ["wallet__workspace"]
    search_fields = ["wallet__workspace__name", "wallet__workspace__members__email"]
    ordering = ["-id"]
    paginator = InfinitePaginator  # counting a ledger takes as long as reading it
    show_full_result_count = False

    @admin.display(description="workspace", ordering="wallet__workspace__name")
    def workspace(self, row: Any) -> str:
        """Return the name of the workspace, as a link to the wallet."""
        address = reverse("admin:billing_wallet_change", args=[row.wallet_id])
        return format_html('<a href="{}">{}</a>', address, row.wallet.workspace)


@admin.register(Wallet)
class WalletAdmin(SetsPlans, ReadOnly, ModelAdmin):
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
    fields = [*list_display, "seq", "created_at", "transactions", "reservations"]
    readonly_fields = fields
    inlines = [LotInline]
    actions_detail = ["grant", "set_plan"]

    @admin.display(description="transactions")
    def transactions(self, wallet: Wallet) -> str:
        """Link to the wallet's transactions."""
        return _link("ledgertransaction", wallet, f"{wallet.seq} transactions")

    @admin.display(description="reservations")
    def reservations(self, wallet: Wallet) -> str:
        """Link to the wallet's reservations."""
        return _link("reservation", wallet, "All reservations")

    def has_grant_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may give credits."""
        user = request.user
        return isinstance(user, User) and user.has_perm("billing.change_wallet")

    @action(description="Grant credits", url_path="grant", permissions=["grant"])
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for credits and a reason, and put them into the wallet."""
        wallet = self.get_object(request, object_id)
        if wallet is None:
            raise Http404
        form = GrantForm(request.POST or None, initial={"key": new_id()})
        if form.is_valid() and self._granted(request, wallet, form.cleaned_data):
            return HttpResponseRedirect(
                reverse("admin:billing_wallet_change", args=[wallet.pk])
            )
        context = {
            **self.admin_site.each_context(request),
            "title": "Grant credits",
            "opts": self.opts,
            "wallet": wallet,
            "form": form,
        }
        return TemplateResponse(request, "billing/grant.html", context)

    def _granted(
        self, request: HttpRequest, wallet: Wallet, asked: dict[str, Any]
    ) -> bool:
        assert isinstance(request.user, User)
        key = f"grant:{asked['key']}"
        try:
            with transaction.atomic(durable=True):
                ledger.grant(
                    wallet,
                    asked["credits"],
                    key=key,
                    kind=asked["bucket"],
                    source=key,
                    reason=asked["reason"],
                    actor=request.user.email,
                )
                self.log_change(
                    request, wallet, f"Granted {asked['credits']}: {asked['reason']}"
                )
        except AppError as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.message_user(request, f"{asked['credits']} credits were granted.")
        return True


@admin.register(Lot)
class LotAdmin(OfWallet):
    """Credits that came together."""

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
        "expires_at",
    ]
    list_filter = ["kind", "environment"]
    search_fields = ["=source", *OfWallet.search_fields]
    fields = [*list_display, "priority", "effective_at", "created_at"]
    readonly_fields = fields


@admin.register(Reservation)
class ReservationAdmin(OfWallet):
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
    search_fields = ["=key", "=job", *OfWallet.search_fields]
    fields = [*list_display, "job"]
    readonly_fields = fields
    inlines = [SliceInline]


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(OfWallet):
    """The ledger, posting by posting."""

    list_display = ["key", "kind", "workspace", "environment", "seq", "created_at"]
    list_filter = ["kind", "environment"]
    search_fields = ["=key", "=reservation__job", *OfWallet.search_fields]
    fields = [*list_display, "id", "reservation", "actor", "reason", "fingerprint"]
    readonly_fields = fields
    inlines = [EntryInline]


def _link(model: str, wallet: Wallet, text: str) -> str:
    address = reverse(f"admin:billing_{model}_changelist")
    query = urlencode({"wallet__id__exact": wallet.pk})
    return format_html('<a href="{}?{}">{}</a>', address, query, text)


# The rest of the back office of billing, which Django finds by this module alone.
__all__ = ["admin_promo", "admin_usage"]
