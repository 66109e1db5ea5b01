"""Pages of money: what was used, what is in the wallet, what happened in a month."""

import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.caller import Caller
from accounts.http.visits import for_people
from accounts.roles import Act, may
from billing.api.usage import csv_response
from billing.credits import promo
from billing.ledger import notices, wallets
from billing.models import Wallet
from billing.pages import charts
from billing.pages.forms import PromoForm, ThresholdForm
from billing.plans import products
from billing.reports import movements, standing, statements, usage
from kit.errors import AppError
from webhooks.permissions import may_manage

_RANGES = (7, 30, 90)  # days
_BESIDES = {"voice": "Voices", "provider": "Providers", "token": "Tokens"}


@for_people
@require_safe
def usage_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show how the workspace stands, and what it used day by day."""
    length = _number(request.GET.get("days"), _RANGES) or 30
    group = request.GET.get("group", "voice")
    if group not in _BESIDES:
        raise Http404
    days = _last(length)
    by_day = list(usage.history(caller, days, "day"))
    credits = {datetime.date.fromisoformat(r["day"]): r["credits"] for r in by_day}
    context = {
        "standing": standing.of(caller),
        "days": days,
        "length": length,
        "ranges": _RANGES,
        "bars": charts.bars(days.days, credits),
        "chart": {"width": charts.WIDTH, "height": charts.HEIGHT},
        "largest": max(credits.values(), default=0),
        "total": {
            name: sum(row[name] for row in by_day)
            for name in ("scenes", "characters", "credits")
        },
        "by_day": by_day[::-1],
        "group": group,
        "groups": _BESIDES,
        "rows": [
            {"key": row.get("name") or row[group] or "", **row}
            for row in usage.history(caller, days, group)
        ][:100],
        "sees_all": _sees_money(caller),
    }
    return render(request, "billing/usage.html", context)


@for_people
@require_safe
def usage_file(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Send what was used as a file for spreadsheets."""
    length = _number(request.GET.get("days"), _RANGES) or 30
    group = request.GET.get("group", "day")
    if group not in usage.GROUPS:
        raise Http404
    return csv_response(caller, _last(length), group)


@for_people
@require_http_methods(["GET", "HEAD", "POST"])
def credits_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the wallet and its movements; redeem a promo code."""
    form = PromoForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            promo.take_try(caller)
            with transaction.atomic(durable=True):
                redeemed = promo.redeem(caller, form.cleaned_data["code"])
        except AppError as error:
            form.add_error("code", str(error))
        else:
            messages.success(request, f"{redeemed.credits:,} credits were added.")
            return redirect("credits-page")
    return _credits(request, caller, form)


@for_people
@require_POST
def set_threshold(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Set below how many credits the workspace's server is told so."""
    if not may_manage(caller):
        raise PermissionDenied
    form = ThresholdForm(request.POST)
    if not form.is_valid():
        return _credits(request, caller, PromoForm(), form)
    with transaction.atomic(durable=True):
        notices.set_threshold(_wallet(caller).pk, form.cleaned_data["low_at"])
    messages.success(request, "Your webhooks will be told.")
    return redirect("credits-page")


def _credits(
    request: HttpRequest,
    caller: Caller,
    form: PromoForm,
    threshold: ThresholdForm | None = None,
) -> HttpResponse:
    wallet = _wallet(caller)
    threshold = threshold or ThresholdForm(initial={"low_at": wallet.low_at})
    before = request.GET.get("before", "")
    found, following = movements.page(
        wallet, before=int(before) if before.isdecimal() and len(before) < 19 else None
    )
    context = {
        "credits": wallets.summary(wallet),
        "movements": found,
        "next": following,
        "before": before,
        "form": form,
        "threshold": threshold if may_manage(caller) else None,
        "sees_money": _sees_money(caller),
        "plans": products.offered_plans(),
        "packs": products.offered_packs(),
    }
    status = 400 if form.errors or threshold.errors else 200
    return render(request, "billing/credits.html", context, status=status)


@for_people
@require_safe
def statements_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the months of which there are statements."""
    _demand_money(caller)
    months = statements.months(_wallet(caller))
    return render(request, "billing/statements.html", {"months": months})


@for_people
@require_safe
def statement_page(
    request: HttpRequest, caller: Caller, month: datetime.date
) -> HttpResponse:
    """Show the statement of a month."""
    context = {"statement": statements.of(_wallet_in(caller, month), month)}
    return render(request, "billing/statement.html", context)


@for_people
@require_safe
def statement_file(
    request: HttpRequest, caller: Caller, month: datetime.date
) -> HttpResponse:
    """Send the statement of a month as a PDF."""
    # Loading it takes half a second, which no start of a process should wait for.
    from billing.reports import statement_pdf

    statement = statements.of(_wallet_in(caller, month), month)
    name = f"ozvena-{caller.environment.lower()}-{month:%Y-%m}.pdf"
    return HttpResponse(
        statement_pdf.render(statement),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _wallet(caller: Caller) -> Wallet:
    return wallets.wallet_of(caller.workspace, caller.environment)


def _wallet_in(caller: Caller, month: datetime.date) -> Wallet:
    """Return the wallet, if there is a statement of that month and it may be seen."""
    _demand_money(caller)
    wallet = _wallet(caller)
    if month not in statements.months(wallet):
        raise Http404
    return wallet


def _sees_money(caller: Caller) -> bool:
    return may(caller.member_role, Act.SEE_MONEY)


def _demand_money(caller: Caller) -> None:
    if not _sees_money(caller):
        raise PermissionDenied


def _last(length: int) -> usage.Range:
    today = usage.Range.of().last
    return usage.Range.of(today - datetime.timedelta(days=length - 1), today)


def _number(text: str | None, known: tuple[int, ...]) -> int | None:
    """Return the number that was asked for, None for none.

    Raises:
        Http404: it is not on offer.
    """
    if text is None:
        return None
    for number in known:
        if text == str(number):
            return number
    raise Http404
