"""The account standing of a workspace: this month's allowance, purchases, and what is left.

`GET /api/v1/usage` has two shapes: one for subscribers, one for all others. Fields with
`characters` in their names are credits: existing clients know them so. It reads lots, not
the history.
"""

import datetime
from collections import Counter
from typing import Any

from django.db.models import F, Max, Q, Sum
from django.utils import timezone

from accounts.caller import Caller
from accounts.roles import Permission, has_permission
from billing.ledger.wallets import wallet_of
from billing.models import Lot, Store, Subscription, Term, Wallet
from billing.plans import allowances, subscriptions

_UPSELL = "Subscribe for monthly credits or purchase additional credits."
_MOST_PURCHASES = 200
_GIFTS = {
    "signup": "free_grant",
    "free_grant": "free_grant",
    "promo": "promo_code",
    "grant": "operator",
    "purchase": "iap",
}
"""The `source` shown for free credits, by the prefix of the lot's source."""


def of(caller: Caller) -> dict[str, Any]:
    """Return the body of `GET /api/v1/usage`.

    Without the permission to see money, it has neither prices nor purchases.
    """
    wallet = wallet_of(caller.workspace, caller.environment)
    can_see_money = caller.is_operator or has_permission(
        caller.member_role, Permission.SEE_MONEY
    )
    non_expiring = _non_expiring(wallet, with_purchases=can_see_money)
    subscription = subscriptions.current_of(caller.workspace, caller.environment)
    if subscription is None:
        return _free(non_expiring)
    return _premium(subscription, wallet, non_expiring, can_see_money=can_see_money)


def _premium(
    subscription: Subscription,
    wallet: Wallet,
    non_expiring: dict[str, Any],
    *,
    can_see_money: bool,
) -> dict[str, Any]:
    month = _month(subscription, wallet)
    term = Term(subscription.term)
    renews_at = subscription.renews_at
    return {
        "user_tier": "premium",
        **month,
        "plan_renewal_date": _format_day(renews_at) if renews_at else None,
        "plan_term": term.value,
        "plan_term_in_days": term.days,
        "plan_key": subscription.plan.key,
        "plan_gross_cost": float(subscription.plan.price) if can_see_money else None,
        "trialing": subscription.status == Subscription.Status.TRIALING,
        "credits": {
            "subscription": {"plan_key": subscription.plan.key, **month},
            "non_expiring_tokens": non_expiring,
        },
    }


def _free(non_expiring: dict[str, Any]) -> dict[str, Any]:
    limit = max(0, non_expiring["total_granted"])
    left = max(0, non_expiring["balance"])
    return {
        "user_tier": "free",
        "lifetime_limit": limit,
        "current_usage": limit - left,
        "remaining_characters": left,
        "usage_percentage": percentage(limit - left, limit),
        "message": _UPSELL,
        "plan_renewal_date": None,
        "plan_term": None,
        "plan_term_in_days": None,
        "plan_key": None,
        "plan_gross_cost": None,
        "trialing": False,
        "credits": {"subscription": None, "non_expiring_tokens": non_expiring},
    }


def _month(subscription: Subscription, wallet: Wallet) -> dict[str, Any]:
    """Return limit, usage and rest of the current month's allowance."""
    now = timezone.now()
    lots = allowances.current_lots(wallet, now)
    limit = sum(lot.granted - lot.revoked for lot in lots)
    left = sum(lot.available for lot in lots)
    ahead = [at for at in allowances.boundaries(subscription) if at > now]
    ends = ahead[0] if ahead else subscription.period_end
    return {
        "monthly_limit": limit,
        "current_usage": limit - left,
        "remaining_characters": left,
        "usage_percentage": percentage(limit - left, limit),
        "reset_date": _format_time(ends),
    }


def _non_expiring(wallet: Wallet, *, with_purchases: bool) -> dict[str, Any]:
    """Return the wallet's credits other than allowances: purchases and gifts."""
    now = timezone.now()
    non_expiring = ~Q(lots__kind=Lot.Kind.ALLOWANCE)
    drawable = Q(lots__effective_at__lte=now) & (
        Q(lots__expires_at=None) | Q(lots__expires_at__gt=now)
    )
    # Starts at the wallet: it may have a debt without such a lot. One statement, so that
    # all numbers are of the same moment.
    sums = Wallet.objects.filter(pk=wallet.pk).aggregate(
        left=Sum("lots__available", filter=non_expiring & drawable, default=0),
        held=Sum("lots__reserved", filter=non_expiring, default=0),
        used=Sum("lots__consumed", filter=non_expiring, default=0),
        owed=Max("debt"),
    )
    balance = sums["left"] - sums["owed"]
    return {
        "balance": balance,
        # Refunded and lapsed credits count as never granted.
        "total_granted": balance + sums["held"] + sums["used"],
        "total_consumed": sums["used"],
        "purchases": _purchases(wallet) if with_purchases else [],
    }


def _purchases(wallet: Wallet) -> list[dict[str, Any]]:
    """Return purchases and gifts, oldest first, less what was refunded.

    Credits that came back from a reversed refund belong to their purchase.
    """
    lots = (
        Lot.objects.filter(wallet=wallet, granted__gt=F("revoked"))
        .exclude(kind=Lot.Kind.ALLOWANCE)
        .select_related("purchase__pack", "restores__purchase__pack")
        .order_by("-pk")[:_MOST_PURCHASES]
    )
    credits: Counter[Lot] = Counter()
    for lot in lots:
        credits[lot.restores or lot] += lot.granted - lot.revoked
    return [
        _purchase(lot, credits[lot]) for lot in sorted(credits, key=lambda lot: lot.pk)
    ]


def _purchase(lot: Lot, credits: int) -> dict[str, Any]:
    purchase = getattr(lot, "purchase", None)
    if purchase is None:
        source = _GIFTS.get(lot.source.partition(":")[0], lot.kind)
        return {"source": source, "characters": credits, "price_usd": 0}
    store = Store(purchase.store)
    in_dollars = purchase.currency == "USD"
    return {
        "source": "iap" if store.is_in_app else store.value,
        "product_lookup_key": purchase.pack.key,
        "characters": credits,
        "price_usd": purchase.amount / 100 if in_dollars else None,
    }


def percentage(part: int, whole: int) -> int:
    """Return `part` as a percentage of `whole`: a whole number, halves rounded up."""
    return (200 * part + whole) // (2 * whole) if whole > 0 else 0


def _format_time(at: datetime.datetime) -> str:
    text = at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _format_day(at: datetime.datetime) -> str:
    day = at.astimezone(datetime.UTC)
    return f"{day:%B} {day.day}, {day.year}"
