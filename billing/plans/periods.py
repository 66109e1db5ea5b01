"""Periods of a subscription: record each once, and find the one that is running."""

from datetime import datetime

from billing.models import Plan, Subscription, SubscriptionPeriod, Term
from billing.plans.months import add_months


def end_of_term(begins: datetime, term: Term, day: int) -> datetime:
    """Return the end of a period that begins then; its months begin on `day`."""
    return add_months(begins, term.months, day=day)


def add(
    subscription: Subscription,
    plan: Plan,
    begins: datetime,
    ends: datetime,
    *,
    day: int,
    is_trial: bool = False,
) -> None:
    """Record a period; its months are granted by `allowances.top_up`."""
    SubscriptionPeriod.objects.create(
        subscription=subscription,
        number=subscription.periods.count() + 1,
        plan=plan,
        is_trial=is_trial,
        term=plan.term,
        period_start=begins,
        period_end=ends,
        anchor_day=day,
        due_at=begins,
    )


def is_known(subscription: Subscription, begins: datetime, ends: datetime) -> bool:
    """Return whether a period was reported before, give or take a tenth of its length.

    Stores round their times, and tell a period that we began a moment ago.
    """
    near = (ends - begins) / 10
    return subscription.periods.filter(
        period_start__range=(begins - near, begins + near),
        period_end__range=(ends - near, ends + near),
    ).exists()


def after_the_running(
    subscription: Subscription, begins: datetime, ends: datetime, term: Term
) -> datetime:
    """Return when a period really begins: after the one that is running, if that fits.

    Some stores tell an early payment as a period from today to the end of the next one.
    """
    near = (ends - begins) / 10
    running = subscription.periods.filter(
        period_start__lte=begins, period_end__gt=begins, is_trial=False
    )
    for period in running:
        fitting = end_of_term(period.period_end, term, period.anchor_day)
        if abs(fitting - ends) <= near:
            return period.period_end
    return begins


def advance(subscription: Subscription, now: datetime) -> None:
    """Make the last period that has begun the current one; the caller saves it."""
    begun = subscription.periods.filter(period_start__lte=now).select_related("plan")
    running = begun.order_by("period_start", "number").last()
    if running is None or running.number == subscription.period:
        return
    subscription.period = running.number
    subscription.plan = running.plan
    subscription.term = running.term
    subscription.period_start = running.period_start
    subscription.period_end = running.period_end
    subscription.anchor_day = running.anchor_day
    status = Subscription.Status
    subscription.status = status.TRIALING if running.is_trial else status.ACTIVE
