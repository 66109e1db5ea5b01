"""Allowances: grant the credits of each month of a subscription's periods, as one lot."""

from datetime import datetime, timedelta

from django.db.models import Sum

from billing import ledger
from billing.errors import LedgerKeyReused
from billing.ledger.wallets import wallet_of
from billing.models import (
    LedgerTransaction,
    Lot,
    Plan,
    Store,
    Subscription,
    SubscriptionPeriod,
    Term,
    Wallet,
)
from billing.plans.months import add_months
from kit.db.transactions import needs_transaction

GRACE = timedelta(days=1)
"""How much longer the last month of a period lasts if a store bills: its notice of the next
payment can take more than an hour."""
_SHORTEST_MONTH = timedelta(days=15)
"""A shorter rest at the end of a period belongs to the month before it."""


def boundaries(period: Subscription | SubscriptionPeriod) -> list[datetime]:
    """Return the start of each month of the period, and the end of the last one."""
    begins, ends = period.period_start, period.period_end
    later = (
        add_months(begins, number, day=period.anchor_day)
        for number in range(1, Term(period.term).months)
    )
    return [begins, *(at for at in later if at + _SHORTEST_MONTH <= ends), ends]


@needs_transaction
def top_up(subscription: Subscription, now: datetime) -> None:
    """Grant each month that has begun and was not granted yet, of every period.

    The caller has locked the subscription. Each month is granted once, with the plan that
    its period has then, however late: a month that is already over lasts as long from now
    as it would have lasted. A trial has one month, whose allowance is granted once for each
    account of the store, over all workspaces.
    """
    due = subscription.periods.filter(due_at__lte=now).select_related("plan")
    for period in due.order_by("period_start", "number"):
        bounds = _months(period)
        begun = max(period.months_done, sum(at <= now for at in bounds[:-1]))
        for number in range(period.months_done + 1, begun + 1):
            _grant_month(subscription, period, number, bounds, now)
        period.months_done = begun
        period.due_at = bounds[begun] if begun < len(bounds) - 1 else None
        period.save(update_fields=["months_done", "due_at"])


@needs_transaction
def add_difference(subscription: Subscription, now: datetime) -> None:
    """Grant what the current month lacks of the allowance of a plan that was changed.

    Nothing in a trial: what is larger begins with the first month that is paid. What was
    granted for a month stays when the plan's allowance is edited.
    """
    period = subscription.periods.get(number=subscription.period)
    bounds = _months(period)
    number = sum(at <= now for at in bounds)
    if period.is_trial or not 0 < number < len(bounds):
        return
    wallet = wallet_of(subscription.workspace, subscription.environment)
    key = _month(period, number)
    # Also what was moved to another workspace with the subscription.
    sources = [key + plan for plan in Plan.objects.values_list("key", flat=True)]
    lots = Lot.objects.filter(environment=wallet.environment, source__in=sources)
    granted = lots.aggregate(credits=Sum("granted"))["credits"] or 0
    missing = subscription.plan.monthly_allowance - granted
    key += subscription.plan.key
    if (
        missing > 0
        and not LedgerTransaction.objects.filter(wallet=wallet, key=key).exists()
    ):
        ends = _end(subscription, bounds, number)
        _grant(subscription, period, missing, key=key, source=key, ends=ends)


def skip_gap(period: SubscriptionPeriod, now: datetime) -> None:
    """Let a period whose plan was not in force go on with the current month."""
    bounds = _months(period)
    begun = sum(at <= now for at in bounds[:-1])
    period.months_done = max(period.months_done, begun - 1)
    left = period.months_done < len(bounds) - 1
    period.due_at = bounds[period.months_done] if left else None
    period.save(update_fields=["plan", "months_done", "due_at"])


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


def _months(period: SubscriptionPeriod) -> list[datetime]:
    """Return the boundaries of the months that a period grants.

    A period that begins before this one has ended replaces the rest of it: the store has
    credited that. A trial is one month, however long.
    """
    bounds = boundaries(period)
    if period.is_trial:
        return [bounds[0], bounds[-1]]
    later = SubscriptionPeriod.objects.filter(
        subscription=period.subscription_id, period_start__gt=period.period_start
    )
    starts = later.order_by("period_start").values_list("period_start", flat=True)
    if (following := starts.first()) is None:
        return bounds
    kept = [at for at in bounds[:-1] if at < following]
    return [*kept, bounds[len(kept)]]


def _grant_month(
    subscription: Subscription,
    period: SubscriptionPeriod,
    number: int,
    bounds: list[datetime],
    now: datetime,
) -> None:
    credits = period.plan.monthly_allowance
    key = source = _month(period, number) + period.plan.key
    begins, ends = bounds[number - 1], bounds[number]
    if period.is_trial:
        account = subscription.store_account or subscription.workspace_id
        source = f"trial:{subscription.store}:{account}"
        first = Lot.objects.filter(environment=subscription.environment, source=source)
        if first.exists():
            return  # the account has had a trial before
    if ends <= now:
        if period.is_trial:
            return  # a trial that is over was not paid for
        ends = now + (ends - begins)
    elif not period.is_trial:
        ends = _end(subscription, bounds, number)
    if not credits:
        return
    try:
        _grant(subscription, period, credits, key=key, source=source, ends=ends)
    except LedgerKeyReused:
        # The same account has just begun a trial in another workspace; nothing was
        # written.
        if not period.is_trial:
            raise


def _grant(
    subscription: Subscription,
    period: SubscriptionPeriod,
    credits: int,
    *,
    key: str,
    source: str,
    ends: datetime,
) -> None:
    ledger.grant(
        wallet_of(subscription.workspace, subscription.environment),
        credits,
        key=key,
        kind=Lot.Kind.ALLOWANCE,
        source=source,
        reason=period.plan.name,
        expires_at=ends,
        is_activity=not period.is_trial and subscription.store != Store.OPERATOR,
    )


def _end(subscription: Subscription, bounds: list[datetime], number: int) -> datetime:
    """Return when the credits of a month expire."""
    is_last = number == len(bounds) - 1
    waits = is_last and subscription.store != Store.OPERATOR
    return bounds[number] + GRACE if waits else bounds[number]


def _month(period: SubscriptionPeriod, number: int) -> str:
    """Return how the keys of a month's grants begin."""
    return f"allowance:{period.subscription_id}:{period.number}:{number}:"
