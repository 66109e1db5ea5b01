"""Allowances: the credits of each month of a subscription, a lot for each."""

from datetime import datetime, timedelta

from django.db.models import Sum

from billing import ledger
from billing.errors import LedgerKeyReused
from billing.ledger.wallets import wallet_of
from billing.models import LedgerTransaction, Lot, Store, Subscription, Term, Wallet
from billing.plans.months import add_months
from kit.db.transactions import needs_transaction

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


@needs_transaction
def top_up(subscription: Subscription, now: datetime) -> None:
    """Grant what the month that it is now lacks of the plan's allowance.

    The subscription is locked. Nothing is granted before the period begins or after it
    ends, nor for months that went by unseen. What a month was given for a plan stays,
    whatever becomes of the plan's allowance. A trial is granted once for each account of
    the store, in whatever workspace; within it, another plan adds the difference.
    """
    bounds = boundaries(subscription)
    if not bounds[0] <= now < bounds[-1]:
        return
    number = sum(at <= now for at in bounds)
    ends = bounds[number]
    wallet = wallet_of(subscription.workspace, subscription.environment)
    month = f"allowance:{subscription.pk}:{subscription.period}:{number}:"
    source = key = month + subscription.plan.key
    if LedgerTransaction.objects.filter(wallet=wallet, key=key).exists():
        return
    had = _granted(wallet, month)
    is_trial = subscription.status == Subscription.Status.TRIALING
    if is_trial:
        account = subscription.store_account or subscription.workspace_id
        trial = f"trial:{subscription.store}:{account}"
        first = Lot.objects.filter(environment=wallet.environment, source=trial).first()
        if first is None:
            source = trial
        elif (first.wallet_id, first.expires_at) == (wallet.pk, ends):
            had += first.granted
        else:
            return  # another trial, which was before
    elif subscription.store != Store.OPERATOR and ends == bounds[-1]:
        ends += GRACE
    if subscription.plan.monthly_allowance <= had:
        return
    try:
        ledger.grant(
            wallet,
            subscription.plan.monthly_allowance - had,
            key=key,
            kind=Lot.Kind.ALLOWANCE,
            source=source,
            reason=subscription.plan.name,
            expires_at=ends,
            is_activity=not is_trial and subscription.store != Store.OPERATOR,
        )
    except LedgerKeyReused:
        # The same account began a trial in another workspace just now; nothing was
        # written.
        if not is_trial:
            raise


def newest(wallet: Wallet, now: datetime) -> list[Lot]:
    """Return the lots of the month that the wallet is in; none without an allowance.

    An upgrade within the month has a lot of its own, and so has a refund that was undone;
    they end together. What is left of the month before is spendable for a while, but
    counts no more.
    """
    lots = Lot.objects.filter(
        wallet=wallet,
        kind=Lot.Kind.ALLOWANCE,
        effective_at__lte=now,
        expires_at__gt=now,
    )
    found = list(lots)
    # What came back is as old as what was refunded.
    last = max(found, key=lambda lot: lot.restores_id or lot.pk, default=None)
    return [lot for lot in found if last and lot.expires_at == last.expires_at]


def _granted(wallet: Wallet, month: str) -> int:
    lots = Lot.objects.filter(wallet=wallet, source__startswith=month)
    return lots.aggregate(credits=Sum("granted"))["credits"] or 0
