"""The page of credits: balance, movements, promo codes, low-credit threshold."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from billing.credits import promo
from billing.ledger import notices, wallets
from billing.pages.forms import PromoForm, ThresholdForm
from billing.pages.requests import can_see_money, own_wallet
from billing.plans import products
from billing.reports import movements
from billing.reports.usage import only_by
from kit.errors import AppError
from webhooks.permissions import can_manage

GROUP_LABELS = {"voice": "Voices", "provider": "Providers", "token": "Tokens"}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def credits_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the wallet and its movements; redeem a promo code."""
    form = PromoForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            promo.count_attempt(caller)
            with transaction.atomic(durable=True):
                redeemed = promo.redeem(caller, form.cleaned_data["code"])
        except AppError as error:
            form.add_error("code", str(error))
        else:
            messages.success(request, f"{redeemed.credits:,} credits were added.")
            return redirect("credits-page")
    return _credits(request, caller, form)


@login_required
@require_POST
def set_threshold(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Set the threshold of the event `credits.low`."""
    if not can_manage(caller):
        raise PermissionDenied
    form = ThresholdForm(request.POST)
    if not form.is_valid():
        return _credits(request, caller, PromoForm(), form)
    with transaction.atomic(durable=True):
        notices.set_threshold(own_wallet(caller).pk, form.cleaned_data["low_at"])
    messages.success(request, "The threshold was saved.")
    return redirect("credits-page")


def _credits(
    request: HttpRequest,
    caller: Caller,
    form: PromoForm,
    threshold: ThresholdForm | None = None,
) -> HttpResponse:
    wallet = own_wallet(caller)
    threshold = threshold or ThresholdForm(initial={"low_at": wallet.low_at})
    before = request.GET.get("before", "")
    found, following = movements.page(
        wallet,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
        user_id=only_by(caller),
    )
    context = {
        "credits": wallets.summary(wallet),
        "movements": found,
        "next": following,
        "before": before,
        "form": form,
        "threshold": threshold if can_manage(caller) else None,
        "can_see_money": can_see_money(caller),
        "plans": products.offered_plans(),
        "packs": products.offered_packs(),
    }
    status = 400 if form.errors or threshold.errors else 200
    return render(request, "billing/credits.html", context, status=status)
