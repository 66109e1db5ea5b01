"""What operators do to credits: forms that call the ledger, under their name.

Each asks for a reason, which the customer sees in the statement and the audit log keeps.
The posting and its record are one transaction.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

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
from billing.models import LONGEST_REASON, Lot, Wallet
from kit.errors import AppError
from kit.ids import new_id


class ActForm(forms.Form):
    """What every act asks for. `key` makes a form that is sent twice count once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer sees it in the statement.",
    )


class GrantForm(ActForm):
    """Credits for a wallet."""

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
    field_order = ["key", "credits", "bucket", "reason"]


class AdjustForm(ActForm):
    """Credits that a wallet should have had, or should not."""

    credits = forms.IntegerField(
        min_value=-ledger.LARGEST_GRANT,
        max_value=ledger.LARGEST_GRANT,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Below 0 takes credits away, in the order in which they are spent.",
    )
    allow_debt = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Take more than there is: the next purchase pays the rest.",
    )
    field_order = ["key", "credits", "allow_debt", "reason"]

    def clean_credits(self) -> int:
        """Refuse to move nothing."""
        credits: int = self.cleaned_data["credits"]
        if credits == 0:
            raise forms.ValidationError("One credit at least, up or down.")
        return credits


class RefundForm(ActForm):
    """Credits of a purchase to be taken back."""

    credits = forms.IntegerField(
        min_value=1,
        max_value=ledger.LARGEST_GRANT,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="What was spent already becomes a debt.",
    )
    field_order = ["key", "credits", "reason"]


class RebuildForm(ActForm):
    """A wallet to be derived anew."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the audit log.",
    )


class Acts(ModelAdmin):
    """Pages that ask for something and do it to one row; put it first in the bases."""

    def has_act_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may move credits."""
        user = request.user
        return isinstance(user, User) and user.has_perm("billing.change_wallet")

    def ask(
        self,
        request: HttpRequest,
        row: Model,
        form_class: type[ActForm],
        act: Callable[[dict[str, Any], str], str],
        *,
        title: str,
        about: str,
    ) -> HttpResponse:
        """Show the form; once it is filled, do `act` to `row` and go back to it.

        `act` gets what was filled in and who the operator is, and returns what it did.
        """
        form = form_class(request.POST or None, initial={"key": new_id()})
        if form.is_valid() and self._done(request, row, form.cleaned_data, act):
            name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
            return HttpResponseRedirect(reverse(name, args=[row.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "about": about,
            "form": form,
        }
        return TemplateResponse(request, "admin/act.html", context)

    def _done(
        self,
        request: HttpRequest,
        row: Model,
        asked: dict[str, Any],
        act: Callable[[dict[str, Any], str], str],
    ) -> bool:
        assert isinstance(request.user, User)
        try:
            with transaction.atomic(durable=True):
                # The ledger stays for good, so it names nobody; the audit log does.
                what = act(asked, f"operator {request.user.pk}")
                self.log_change(request, row, f"{what}: {asked['reason']}")
        except AppError as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.message_user(request, f"{what}.")
        return True


class MovesCredits(Acts):
    """Granting, adjusting and rebuilding a wallet."""

    @action(description="Grant credits", url_path="grant", permissions=["act"])
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put credits into the wallet."""
        wallet = self._wallet(request, object_id)

        def act(asked: dict[str, Any], actor: str) -> str:
            key = f"grant:{asked['key']}"
            ledger.grant(
                wallet,
                asked["credits"],
                key=key,
                kind=asked["bucket"],
                source=key,
                reason=asked["reason"],
                actor=actor,
            )
            return f"Granted {asked['credits']}"

        return self.ask(
            *(request, wallet, GrantForm, act),
            title="Grant credits",
            about=_standing(wallet),
        )

    @action(description="Adjust", url_path="adjust", permissions=["act"])
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add credits to the wallet, or take some away."""
        wallet = self._wallet(request, object_id)

        def act(asked: dict[str, Any], actor: str) -> str:
            ledger.adjust(
                wallet,
                asked["credits"],
                key=f"adjust:{asked['key']}",
                reason=asked["reason"],
                actor=actor,
                allow_debt=asked["allow_debt"],
            )
            return f"Adjusted by {asked['credits']:+d}"

        return self.ask(
            *(request, wallet, AdjustForm, act), title="Adjust", about=_standing(wallet)
        )

    @action(description="Rebuild", url_path="rebuild", permissions=["act"])
    def rebuild(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Prove the wallet against its entries, and set right what differs."""
        wallet = self._wallet(request, object_id)

        def act(asked: dict[str, Any], actor: str) -> str:
            found = ledger.rebuild(wallet.pk)
            told = "; ".join(
                "{row} {column} {stored} → {derived}".format(**asdict(one))
                for one in found
            )
            return f"Rebuilt, {len(found)} differences{told and f' ({told})'}"

        return self.ask(
            *(request, wallet, RebuildForm, act),
            title="Rebuild",
            about="Columns that differ from the entries are set right; a wallet that is "
            "as it should be stays as it is.",
        )

    def _wallet(self, request: HttpRequest, object_id: str) -> Wallet:
        wallet = self.get_object(request, object_id)
        if not isinstance(wallet, Wallet):
            raise Http404
        return wallet


class RefundsLots(Acts):
    """Taking back what a lot was paid for."""

    @action(description="Refund", url_path="refund", permissions=["act"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take credits of the lot back."""
        lot = self.get_object(request, object_id)
        if not isinstance(lot, Lot):
            raise Http404

        def act(asked: dict[str, Any], actor: str) -> str:
            taken = ledger.refund(
                lot.source,
                asked["credits"],
                environment=lot.environment,
                key=f"refund:{asked['key']}",
                reason=asked["reason"],
                actor=actor,
            )
            return f"Refunded {taken}"

        return self.ask(
            *(request, lot, RefundForm, act),
            title="Refund",
            about=f"{lot.source} of {lot.wallet.workspace}: at most {lot.refundable} "
            f"credits, of which {lot.available} are unused.",
        )


def _standing(wallet: Wallet) -> str:
    return (
        f"{wallet.workspace}, {wallet.get_environment_display()}: {wallet.available} "
        f"credits available, {wallet.reserved} reserved, {wallet.debt} owed."
    )
