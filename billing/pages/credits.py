"""The page of credits: balance, movements, promo codes, low-credit threshold."""

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
)

from accounts.caller import Caller, Environment
from accounts.http.current_workspace import login_required
from accounts.http.freshness import is_fresh
from accounts.http.next_page import with_next
from accounts.roles import Permission, has_permission
from billing.credits import promo
from billing.ledger import notices, wallets
from billing.models import Pack, Plan
from billing.pages.forms import PromoForm, ThresholdForm, TopUpForm
from billing.pages.requests import can_buy, can_see_money, own_wallet
from billing.payments import top_ups
from billing.payments.gateways import registry
from billing.payments.gateways.contract import Sells
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
        "top_up": _top_up_form(caller),
        "plans": _with_gateways(caller, products.offered_plans()),
        "packs": _with_gateways(caller, products.offered_packs()),
    }
    status = 400 if form.errors or threshold.errors else 200
    return render(request, "billing/credits.html", context, status=status)


@login_required
@require_POST
def set_top_up(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Save the automatic top-up; requires a fresh login."""
    if not is_fresh(request):
        messages.info(request, "Log in again to change the automatic top-up.")
        return redirect(with_next("login", reverse("credits-page")))
    form = TopUpForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The automatic top-up has fields that are not valid.")
    else:
        try:
            with transaction.atomic(durable=True):
                top_ups.save(caller, **form.values())
        except AppError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The automatic top-up was saved.")
    return redirect(reverse("credits-page") + "#top-up")


def _top_up_form(caller: Caller) -> TopUpForm | None:
    """Return the form of the automatic top-up, for those who can have one."""
    if not has_permission(caller.member_role, Permission.TOP_UP):
        return None
    if caller.environment != Environment.PRODUCTION:
        return None
    if not registry.sellers_by_saved_card(caller.environment):
        return None
    row = top_ups.settings_of(caller)
    return TopUpForm.of(row)


def _with_gateways(
    caller: Caller, offered: Iterable[Plan | Pack]
) -> list[tuple[Plan | Pack, list[Sells]]]:
    """Return each product with the gateways at which the caller can pay for it."""
    environment = caller.environment
    gateways = registry.sellers(environment) if can_buy(caller) else []
    return [
        (product, [one for one in gateways if one.sells(product, environment)])
        for product in offered
    ]
