"""Allowances: the credits of each month of a subscription, a lot for each."""

from datetime import datetime, timedelta

from django.db.models import Sum

from billing import ledger
from billing.errors import LedgerKeyReused
from billing.models import Lot, Store, Subscription, Term, Wallet
from billing.months import add_months
from billing.wallets import wallet_of

GRACE = timedelta(days=1)
"""How much longer the last month of a period lasts where a store collects: it takes an
hour and more until the news of the next payment has come."""


def boundaries(subscription: Subscription) -> list[datetime]:
    """Return when the months of the present period begin, and when the last one ends."""
    begins, ends = subscription.period_start, subscription.period_end
    later = (
        add_months(begins, number, day=subscription.anchor_day)
        for number in range(1, Term(subscription.term).months)
    )
    return [begins, *(at for at in later if at < ends), ends]


def top_up(subscription: Subscription, now: datetime) -> None:
    """Grant what the month that it is now lacks of the plan's allowance.

    Needs an open transaction and the lock of the subscription. Nothing is granted before
    the period begins or after it ends, nor for months that went by unseen. A trial is
    granted once for each account of the store, in whatever workspace.
    """
    bounds = boundaries(subscription)
    if not bounds[0] <= now < bounds[-1]:
        return
    number = sum(at <= now for at in bounds)
    ends = bounds[number]
    wallet = wallet_of(subscription.workspace, subscription.environment)
    if subscription.status == Subscription.Status.TRIALING:
        account = subscription.store_account or subscription.workspace_id
        source = f"trial:{subscription.store}:{account}"
        lacks = subscription.plan.monthly_allowance
    else:
        month = f"allowance:{subscription.pk}:{subscription.period}:{number}:"
        source = month + subscription.plan.key
        lacks = subscription.plan.monthly_allowance - _granted(wallet, month)
        if subscription.store != Store.OPERATOR and ends == bounds[-1]:
            ends += GRACE
    if lacks <= 0:
        return
    try:
        ledger.grant(
            wallet,
            lacks,
            key=source,
            kind=Lot.Kind.ALLOWANCE,
            source=source,
            reason=subscription.plan.name,
            expires_at=ends,
        )
    except LedgerKeyReused:
        # Another plan was tried before by the same account; nothing was written.
        if subscription.status != Subscription.Status.TRIALING:
            raise


def newest(wallet: Wallet, now: datetime) -> list[Lot]:
    """Return the lots of the month that the wallet is in; none without an allowance.

    An upgrade within the month has a lot of its own. What is left of the month before is
    spendable for a while, but counts no more.
    """
    lots = Lot.objects.filter(
        wallet=wallet,
        kind=Lot.Kind.ALLOWANCE,
        effective_at__lte=now,
        expires_at__gt=now,
    ).order_by("-pk")
    found = list(lots)
    return [lot for lot in found if _month(lot) == _month(found[0])]


def _granted(wallet: Wallet, month: str) -> int:
    lots = Lot.objects.filter(wallet=wallet, source__startswith=month)
    return lots.aggregate(credits=Sum("granted"))["credits"] or 0


def _month(lot: Lot) -> str:
    return lot.source.rpartition(":")[0]
