"""Admin actions on credits: grant, adjust, refund, reverse, rebuild, approve.

Each form asks for a reason, which the customer sees in the statement and the audit log
keeps, and for a ticket. The posting and its audit record are one transaction.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import User
from billing import ledger
from billing.credits import approvals
from billing.models import (
    LONGEST_REASON,
    LONGEST_TICKET,
    CreditRequest,
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Wallet,
)
from kit.errors import AppError
from kit.ids import new_id
from kit.rest.lines import one_line


class CorrectionForm(forms.Form):
    """Fields of every action. `key` makes a form that is sent twice count once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        validators=[one_line],
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer sees it in the statement.",
    )


class PostingForm(CorrectionForm):
    """Fields of every action that moves credits."""

    ticket = forms.CharField(
        max_length=LONGEST_TICKET,
        validators=[one_line],
        widget=UnfoldAdminTextInputWidget,
        help_text="The request that this answers. It is kept with the posting.",
    )


class GrantForm(PostingForm):
    """Grant credits to a wallet."""

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
    field_order = ["key", "credits", "bucket", "reason", "ticket"]


class AdjustForm(PostingForm):
    """Add credits to a wallet, or take some away."""

    credits = forms.IntegerField(
        min_value=-ledger.LARGEST_GRANT,
        max_value=ledger.LARGEST_GRANT,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Below 0 takes credits away, in the order in which they are used.",
    )
    allow_debt = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Take more than is available. The next purchase repays the rest.",
    )
    field_order = ["key", "credits", "allow_debt", "reason", "ticket"]

    def clean_credits(self) -> int:
        credits: int = self.cleaned_data["credits"]
        if credits == 0:
            raise forms.ValidationError("Enter at least one credit, above or below 0.")
        return credits


class RefundForm(PostingForm):
    """Take back credits of a purchase."""

    credits = forms.IntegerField(
        min_value=1,
        max_value=ledger.LARGEST_GRANT,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Credits that were already spent become a debt.",
    )
    field_order = ["key", "credits", "reason", "ticket"]


class ReverseForm(PostingForm):
    """Reverse a refund."""

    field_order = ["key", "reason", "ticket"]


class AuditForm(CorrectionForm):
    """An action without a posting: the reason is kept in the audit log only."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        validators=[one_line],
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the audit log.",
    )


class FormActions(ModelAdmin):
    """Admin actions with a form, for one row. Put it first in the bases."""

    def has_operate_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether the operator has the permission to move credits."""
        user = request.user
        return isinstance(user, User) and user.has_perm("billing.change_wallet")

    def ask(
        self,
        request: HttpRequest,
        row: Model,
        form_class: type[CorrectionForm],
        run: Callable[[dict[str, Any], User], str],
        *,
        title: str,
        about: str,
    ) -> HttpResponse:
        """Show the form; if it is valid, call `run` and redirect to the page of `row`.

        `run` gets the cleaned data and the operator, and returns what it did, or "" if that
        was done before; that is not recorded again.
        """
        form = form_class(request.POST or None, initial={"key": new_id()})
        if form.is_valid() and self._done(request, row, form.cleaned_data, run):
            name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
            return HttpResponseRedirect(reverse(name, args=[row.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "about": about,
            "form": form,
        }
        return TemplateResponse(request, "admin/action.html", context)

    def _done(
        self,
        request: HttpRequest,
        row: Model,
        asked: dict[str, Any],
        run: Callable[[dict[str, Any], User], str],
    ) -> bool:
        assert isinstance(request.user, User)
        try:
            with transaction.atomic(durable=True):
                what = run(asked, request.user)
                if what:
                    self.log_change(request, row, f"{what}: {asked['reason']}")
        except AppError as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.message_user(request, f"{what}." if what else "This was already done.")
        return True


class ApprovalActions(FormActions):
    """Actions to approve or refuse another operator's request."""

    @action(description="Approve", url_path="approve", permissions=["operate"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, approvals.approve, "Approve")

    @action(description="Refuse", url_path="refuse", permissions=["operate"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, approvals.refuse, "Refuse")

    def _decide(
        self,
        request: HttpRequest,
        object_id: str,
        decide: Callable[[UUID, User], str],
        title: str,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if not isinstance(row, CreditRequest):
            raise Http404

        def run(asked: dict[str, Any], operator: User) -> str:
            return decide(row.pk, operator)

        return self.ask(
            *(request, row, AuditForm, run),
            title=title,
            about=f"{row}, asked for by {row.asked_by_email} with ticket {row.ticket}: "
            f"{row.reason}. {_describe_balance(row.wallet)}",
        )


class WalletActions(FormActions):
    """Actions to grant credits to a wallet, adjust it and rebuild it."""

    @action(description="Grant credits", url_path="grant", permissions=["operate"])
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wallet = self._wallet(request, object_id)
        return self.ask(
            *(
                request,
                wallet,
                GrantForm,
                _credit_request(wallet, CreditRequest.Action.GRANT),
            ),
            title="Grant credits",
            about=_describe_balance(wallet),
        )

    @action(description="Adjust", url_path="adjust", permissions=["operate"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wallet = self._wallet(request, object_id)
        return self.ask(
            *(
                request,
                wallet,
                AdjustForm,
                _credit_request(wallet, CreditRequest.Action.ADJUST),
            ),
            title="Adjust",
            about=_describe_balance(wallet),
        )

    @action(description="Rebuild", url_path="rebuild", permissions=["operate"])
    def rebuild(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wallet = self._wallet(request, object_id)

        def run(asked: dict[str, Any], operator: User) -> str:
            found = ledger.rebuild(wallet.pk)
            differences = "; ".join(
                "{row} {column} {stored} → {derived}".format(**asdict(one))
                for one in found
            )
            return f"Rebuilt, {len(found)} differences{differences and f' ({differences})'}"

        return self.ask(
            *(request, wallet, AuditForm, run),
            title="Rebuild",
            about="Corrects columns that differ from the entries. A correct wallet is not "
            "changed.",
        )

    def _wallet(self, request: HttpRequest, object_id: str) -> Wallet:
        wallet = self.get_object(request, object_id)
        if not isinstance(wallet, Wallet):
            raise Http404
        return wallet


class LotActions(FormActions):
    """The action to refund a lot."""

    @action(description="Refund", url_path="refund", permissions=["operate"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        lot = self.get_object(request, object_id)
        if not isinstance(lot, Lot):
            raise Http404

        def run(asked: dict[str, Any], operator: User) -> str:
            key = f"refund:{asked['key']}"
            was_done = _is_posted(lot.wallet_id, key)
            taken = ledger.refund(
                lot.source,
                asked["credits"],
                environment=lot.environment,
                key=key,
                reason=asked["reason"],
                actor=approvals.actor(operator.pk),
                ticket=asked["ticket"],
            )
            return "" if was_done else f"Refunded {taken}"

        return self.ask(
            *(request, lot, RefundForm, run),
            title="Refund",
            about=f"{lot.source} of {lot.wallet.workspace}: at most {lot.refundable} "
            f"credits, {lot.available} of them unused.",
        )


class TransactionActions(FormActions):
    """The action to reverse a refund that failed or was disputed."""

    def has_reverse_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        """Return whether the operator may move credits and the transaction is a refund."""
        if not object_id or not self.has_operate_permission(request):
            return False
        posted = self.get_object(request, object_id)
        return isinstance(posted, LedgerTransaction) and (
            posted.kind == LedgerTransaction.Kind.REFUND
        )

    @action(description="Reverse", url_path="reverse", permissions=["reverse"])
    def reverse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        posted = self.get_object(request, object_id)
        assert isinstance(posted, LedgerTransaction)
        refunded = list(
            posted.entries.filter(bucket=LedgerEntry.Bucket.REFUND).select_related(
                "lot__restores"
            )
        )
        lot = refunded[0].lot
        assert lot is not None
        source = (lot.restores or lot).source
        credits = sum(entry.amount for entry in refunded)

        def run(asked: dict[str, Any], operator: User) -> str:
            was_done = _is_posted(posted.wallet_id, f"reverse:{posted.key}")
            ledger.reverse(
                source,
                posted.key,
                environment=posted.environment,
                reason=asked["reason"],
                actor=approvals.actor(operator.pk),
                ticket=asked["ticket"],
            )
            return "" if was_done else f"Reversed {credits}"

        return self.ask(
            *(request, posted, ReverseForm, run),
            title="Reverse",
            about=f"{credits} credits of {source} come "
            f"back, and repay a debt first. {_describe_balance(posted.wallet)}",
        )


def _is_posted(wallet: int, key: str) -> bool:
    """Return whether the wallet has a posting with this key; locks the wallet."""
    Wallet.objects.select_for_update(no_key=True).get(pk=wallet)
    return LedgerTransaction.objects.filter(wallet=wallet, key=key).exists()


def _credit_request(
    wallet: Wallet, what: CreditRequest.Action
) -> Callable[[dict[str, Any], User], str]:
    """Return a function that makes a credit request of a form's data."""

    def run(asked: dict[str, Any], operator: User) -> str:
        fields = {name: value for name, value in asked.items() if name != "key"}
        wanted = CreditRequest(id=asked["key"], wallet=wallet, action=what, **fields)
        return approvals.request(wanted, operator)

    return run


def _describe_balance(wallet: Wallet) -> str:
    return (
        f"{wallet.workspace}, {wallet.get_environment_display()}: {wallet.available} "
        f"credits available, {wallet.reserved} reserved, {wallet.debt} owed."
    )
