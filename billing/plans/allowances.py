"""Allowances: grant the credits of each month of a subscription, as one lot."""

from datetime import datetime, timedelta

from django.db.models import Sum

from billing import ledger
from billing.errors import LedgerKeyReused
from billing.ledger.wallets import wallet_of
from billing.models import LedgerTransaction, Lot, Store, Subscription, Term, Wallet
from billing.plans.months import add_months
from kit.db.transactions import needs_transaction

GRACE = timedelta(days=1)
"""How much longer the last month of a period lasts if a store bills: its notice of the next
payment can take more than an hour."""


def boundaries(subscription: Subscription) -> list[datetime]:
    """Return the start of each month of the current period, and the end of the last one."""
    begins, ends = subscription.period_start, subscription.period_end
    later = (
        add_months(begins, number, day=subscription.anchor_day)
        for number in range(1, Term(subscription.term).months)
    )
    return [begins, *(at for at in later if at < ends), ends]


@needs_transaction
def top_up(subscription: Subscription, now: datetime) -> None:
    """Grant what is missing of the plan's allowance for the current month.

    The caller has locked the subscription. Nothing is granted before the period begins,
    after it ends, or for past months that were missed. What was granted for a month stays
    when the plan's allowance is edited. A trial is granted once for each account of the
    store, over all workspaces; within a trial, another plan adds the difference.
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
    already_granted = _granted(wallet, month)
    is_trial = subscription.status == Subscription.Status.TRIALING
    if is_trial:
        account = subscription.store_account or subscription.workspace_id
        trial = f"trial:{subscription.store}:{account}"
        first = Lot.objects.filter(environment=wallet.environment, source=trial).first()
        if first is None:
            source = trial
        elif (first.wallet_id, first.expires_at) == (wallet.pk, ends):
            already_granted += first.granted
        else:
            return  # the account already_granted another trial before
    elif subscription.store != Store.OPERATOR and ends == bounds[-1]:
        ends += GRACE
    if subscription.plan.monthly_allowance <= already_granted:
        return
    try:
        ledger.grant(
            wallet,
            subscription.plan.monthly_allowance - already_granted,
            key=key,
            kind=Lot.Kind.ALLOWANCE,
            source=source,
            reason=subscription.plan.name,
            expires_at=ends,
            is_activity=not is_trial and subscription.store != Store.OPERATOR,
        )
    except LedgerKeyReused:
        # The same account has just begun a trial in another workspace; nothing was
        # written.
        if not is_trial:
            raise


def current_lots(wallet: Wallet, now: datetime) -> list[Lot]:
    """Return the lots of the current month's allowance; none without an allowance.

    An upgrade within the month has a lot of its own, and so has a reversed refund; they
    expire together. Credits left of the month before are spendable for a while, but are
    not counted here.
    """
    lots = Lot.objects.filter(
        wallet=wallet,
        kind=Lot.Kind.ALLOWANCE,
        effective_at__lte=now,
        expires_at__gt=now,
    )
    found = list(lots)
    # Restored credits are as old as the lot that was refunded.
    last = max(found, key=lambda lot: lot.restores_id or lot.pk, default=None)
    return [lot for lot in found if last and lot.expires_at == last.expires_at]


def _granted(wallet: Wallet, month: str) -> int:
    lots = Lot.objects.filter(wallet=wallet, source__startswith=month)
    return lots.aggregate(credits=Sum("granted"))["credits"] or 0
