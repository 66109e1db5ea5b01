"""Start, renew, change, cancel and end subscriptions, for every store and gateway.

A gateway reports what was paid; the functions here apply it. Each

- runs in the caller's transaction: the subscription, its allowance, the workspace's
  limits and the event are all written, or none is;
- may be called twice, early, late, or in another order: each period is recorded once
  (`SubscriptionPeriod`), and each month of it is granted once;
- locks the workspace first, then the subscription; the ledger locks the wallet after.

The credits of each month are a lot of their own (`billing.plans.allowances`), which expires
by itself: renewing removes no credits, and neither does ending. If the store pays back the
rest of a period, its gateway calls `end`, which grants no further month.
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.caller import Environment
from accounts.models import Workspace
from billing.errors import SubscriptionElsewhere, SubscriptionInStore
from billing.events import SUBSCRIPTION_CHANGED
from billing.models import Plan, Store, Subscription, SubscriptionPeriod, Term
from billing.plans import allowances, periods
from billing.plans.months import add_months
from kit.db.transactions import needs_transaction, one_transaction
from webhooks.emit import emit

Status = Subscription.Status

GRACE_PERIOD = timedelta(days=16)
"""How long a plan stays active after its period, while the store retries the payment: the
longest grace period of the stores. No allowance is granted in that time."""
_TRIAL_GRACE_PERIOD = timedelta(days=1)
_BATCH = 500  # subscriptions in one run of the scheduled task
_SUBSCRIBERS = (
    Workspace.Kind.PERSONAL,
    Workspace.Kind.TEAM,
    Workspace.Kind.MOBILE,
)

logger = logging.getLogger(__name__)


@needs_transaction
def start(
    workspace: Workspace,
    plan: Plan,
    *,
    store: Store,
    environment: str = Environment.PRODUCTION,
    external_id: str = "",
    store_account: str = "",
    is_trial: bool = False,
    period_start: datetime | None = None,
    period_end: datetime | None = None,
) -> Subscription:
    """Start a subscription, grant its first month and return it.

    It replaces the workspace's active subscription, whose credits and paid months stay. If
    the store has reported this subscription before, it is renewed instead.
    Without `period_end` the period is one term of the plan, or its trial.

    Raises:
        SubscriptionElsewhere: it belongs to another workspace.
    """
    if workspace.kind not in _SUBSCRIBERS:
        raise ValueError(f"a workspace of {workspace.kind} has no plan")
    _lock_workspace(workspace.pk)
    if external_id and (known := _find(store, environment, external_id)):
        if known.workspace_id != workspace.pk:
            raise SubscriptionElsewhere(external_id=external_id)
        if period_end is None:
            return known
        return renew(
            known.pk, plan=plan, period_start=period_start, period_end=period_end
        )
    begins = period_start or timezone.now()
    day = begins.day
    if period_end is None:
        period_end = (
            begins + timedelta(days=plan.trial_days)
            if is_trial
            else periods.end_of_term(begins, Term(plan.term), day)
        )
    _end_current(workspace, str(environment))
    subscription = Subscription(
        workspace=workspace,
        environment=str(environment),
        plan=plan,
        status=Status.TRIALING if is_trial else Status.ACTIVE,
        store=store,
        external_id=external_id,
        store_account=store_account,
        term=plan.term,
        period_start=begins,
        period_end=period_end,
        anchor_day=day,
        due_at=period_end,
    )
    subscription.save(force_insert=True)
    periods.add(subscription, plan, begins, period_end, day=day, is_trial=is_trial)
    _save_and_apply(subscription)
    return subscription


@needs_transaction
def renew(
    subscription_id: uuid.UUID,
    *,
    plan: Plan | None = None,
    period_start: datetime | None = None,
    period_end: datetime | None = None,
) -> Subscription:
    """Record a paid period, with another plan if given; return the subscription.

    It may begin later, and until then the current one goes on; or it may be over, and its
    months are granted now. Without `period_start` it follows the last period. A period
    that was reported before changes nothing. A subscription that has ended becomes active
    again if the period has not ended, because it was paid.
    """
    subscription = _lock(subscription_id)
    now = timezone.now()
    last = subscription.periods.order_by("period_end").last()
    if last is None:
        raise ValueError("a subscription has a period")
    if plan is None:
        goes_on = last.number != subscription.period and last.period_start > now
        plan = last.plan if goes_on else subscription.plan
    begins = period_start or (last.period_end if subscription.is_in_force else now)
    day = subscription.anchor_day
    if begins.day != add_months(begins, 0, day=day).day:
        day = begins.day
    ends = period_end or periods.end_of_term(begins, Term(plan.term), day)
    begins = periods.after_the_running(subscription, begins, ends, Term(plan.term))
    if ends <= (
        last.period_end if period_start is None else begins
    ) or periods.is_known(subscription, begins, ends):
        return subscription
    periods.add(subscription, plan, begins, ends, day=day)
    if ends > now:
        if not subscription.is_in_force:
            _end_current(subscription.workspace, subscription.environment)
        if subscription.status != Status.TRIALING:
            subscription.status = Status.ACTIVE
        subscription.cancel_at_period_end = False
        subscription.ended_at = None
    if subscription.is_in_force:
        _save_and_apply(subscription)
    else:
        allowances.top_up(subscription, now)
    return subscription


@needs_transaction
def change_plan(subscription_id: uuid.UUID, plan: Plan) -> Subscription:
    """Change the plan now, within the paid period; return the subscription.

    The new limits apply at once. For a larger allowance the difference is granted as a lot
    of its own, except in a trial; a smaller one takes nothing back and begins with the next
    month. The new term begins with the next period.
    """
    subscription = _lock(subscription_id)
    if plan.pk != subscription.plan_id and subscription.is_in_force:
        now = timezone.now()
        allowances.top_up(subscription, now)  # what began before has the plan before
        subscription.plan = plan
        subscription.periods.filter(period_end__gt=now).update(plan=plan)
        _save_and_apply(subscription)
        allowances.add_difference(subscription, now)
    return subscription


@needs_transaction
def cancel(subscription_id: uuid.UUID) -> Subscription:
    """Cancel a subscription at the end of its paid period; return it."""
    return _set_cancel(subscription_id, True)


@needs_transaction
def resume(subscription_id: uuid.UUID) -> Subscription:
    """Undo a cancellation, so that the subscription renews; return it."""
    return _set_cancel(subscription_id, False)


@needs_transaction
def mark_past_due(subscription_id: uuid.UUID) -> Subscription:
    """Mark a payment as failed; the plan stays active for `GRACE_PERIOD` longer."""
    subscription = _lock(subscription_id)
    if subscription.status == Status.ACTIVE:
        subscription.status = Status.PAST_DUE
        _save_and_apply(subscription)
    return subscription


@needs_transaction
def move(subscription_id: uuid.UUID, workspace: Workspace) -> Subscription:
    """Move a subscription to another workspace, as its store did; return it.

    It replaces the active subscription of that workspace. Months that were granted are not
    granted again; their credits are moved by `billing.ledger.move`.
    """
    subscription = _lock(subscription_id)
    if subscription.workspace_id == workspace.pk:
        return subscription
    _lock_workspace(workspace.pk)
    allowances.top_up(subscription, timezone.now())
    was, status = subscription.workspace, subscription.status
    if subscription.is_in_force:
        _end_current(workspace, subscription.environment)
        # What the workspace has lost, as an event and as its limits.
        subscription.status = Status.CANCELED
        _apply_and_emit(subscription)
        subscription.status = status
    subscription.workspace = workspace
    subscription.save(update_fields=["workspace"])
    if subscription.is_in_force:
        _apply_and_emit(subscription)
    logger.info("subscription %s: moved from %s", subscription.pk, was.pk)
    return subscription


@needs_transaction
def end(subscription_id: uuid.UUID) -> Subscription:
    """End a subscription now and return it; its credits stay until their month ends.

    Months that have not begun are not granted.
    """
    subscription = _lock(subscription_id)
    allowances.top_up(subscription, timezone.now())
    subscription.periods.update(due_at=None)
    if subscription.is_in_force:
        _close(subscription)
        _apply_and_emit(subscription)
    return subscription


@needs_transaction
def set_plan(
    workspace: Workspace,
    plan: Plan | None,
    *,
    environment: str = Environment.PRODUCTION,
) -> Subscription | None:
    """Give a workspace a plan without payment, or end its plan with None; return it.

    For operators. The plan renews by itself until it is ended.

    Raises:
        SubscriptionInStore: a store bills the workspace's plan.
    """
    _lock_workspace(workspace.pk)
    current = current_of(workspace, environment)
    if current is not None and current.store != Store.OPERATOR:
        raise SubscriptionInStore(store=Store(current.store).label)
    if plan is None:
        return end(current.pk) if current else None
    if current is not None:
        return change_plan(current.pk, plan)
    if given := _running_gift(workspace, environment):
        return _reopen(given, plan)
    return start(workspace, plan, store=Store.OPERATOR, environment=environment)


def current_of(workspace: Workspace, environment: str) -> Subscription | None:
    """Return the active subscription with its plan, or None."""
    return (
        Subscription.objects.for_workspace(workspace)
        .current()
        .filter(environment=str(environment))
        .select_related("plan")
        .first()
    )


def process_due() -> int:
    """Process due subscriptions: grant months, renew operators' plans, end expired ones.

    Returns the number of due subscriptions. Each has a transaction of its own. Two runs at
    the same time do everything once.
    """
    now = timezone.now()
    due = Subscription.objects.filter(due_at__lte=now).order_by("due_at")
    months = SubscriptionPeriod.objects.filter(due_at__lte=now).order_by("due_at")
    ids = dict.fromkeys(
        [
            *due.values_list("pk", flat=True)[:_BATCH],
            *months.values_list("subscription", flat=True)[:_BATCH],
        ]
    )
    for subscription_id in ids:
        try:
            _process(subscription_id, now)
        except Exception:
            # One failure must not stop the rest.
            logger.exception("subscription %s could not be processed", subscription_id)
    return len(ids)


def refresh_limits(plan: Plan) -> None:
    """Copy a plan's limits to the workspaces that have it, after an edit."""
    subscribed = Subscription.objects.current().filter(
        plan=plan, environment=Environment.PRODUCTION.value
    )
    Workspace.objects.filter(pk__in=subscribed.values("workspace")).update(
        **limits_of(plan)
    )


def limits_of(plan: Plan | None) -> dict[str, int | None]:
    """Return the limits of a plan, as columns of a workspace; all None without a plan."""
    return {name: getattr(plan, name) if plan else None for name in Plan.LIMITS}


def _find(store: Store, environment: str, external_id: str) -> Subscription | None:
    return Subscription.objects.filter(
        store=store, environment=str(environment), external_id=external_id
    ).first()


def _running_gift(workspace: Workspace, environment: str) -> Subscription | None:
    """Return an operator's plan that was ended before its period was over."""
    return (
        Subscription.objects.for_workspace(workspace)
        .filter(
            environment=str(environment),
            store=Store.OPERATOR,
            ended_at__isnull=False,
            period_end__gt=timezone.now(),
        )
        .order_by("-ended_at")
        .first()
    )


def _reopen(given: Subscription, plan: Plan) -> Subscription:
    """Continue an operator's plan that was ended, so that no month is granted twice."""
    subscription = _lock(given.pk)
    now = timezone.now()
    for period in subscription.periods.filter(period_end__gt=now):
        period.plan = plan
        allowances.skip_gap(period, now)
    subscription.plan = plan
    subscription.status = Status.ACTIVE
    subscription.ended_at = None
    _save_and_apply(subscription)
    allowances.add_difference(subscription, now)
    return subscription


@one_transaction
def _process(subscription_id: uuid.UUID, now: datetime) -> None:
    subscription = _lock(subscription_id)
    allowances.top_up(subscription, now)
    if subscription.due_at is None or subscription.due_at > now:
        return  # it has ended, or another run has processed it
    is_operators = subscription.store == Store.OPERATOR
    before = subscription.period
    periods.advance(subscription, now)
    if subscription.period != before or now < subscription.period_end:
        _save_and_apply(subscription, emits=subscription.period != before)
    elif subscription.cancel_at_period_end or now >= _grace_ends_at(subscription):
        _close(subscription)
        _apply_and_emit(subscription)
    elif is_operators:
        begins, plan = subscription.period_end, subscription.plan
        while begins <= now:
            day = subscription.anchor_day
            ends = periods.end_of_term(begins, Term(plan.term), day)
            periods.add(subscription, plan, begins, ends, day=day)
            begins = ends
        _save_and_apply(subscription)
    else:
        was = subscription.status
        if was == Status.ACTIVE:
            subscription.status = Status.PAST_DUE
        _save_and_apply(subscription, emits=was != subscription.status)


def _save_and_apply(subscription: Subscription, *, emits: bool = True) -> None:
    """Save an active subscription: set `due_at`, grant what is due, emit the event."""
    now = timezone.now()
    periods.advance(subscription, now)
    ahead = subscription.periods.filter(period_start__gt=now)
    following = ahead.order_by("period_start").first()
    ends = subscription.period_end
    if following:
        subscription.due_at = following.period_start
    elif ends > now:
        subscription.due_at = ends
    else:
        subscription.due_at = _grace_ends_at(subscription)
    subscription.save()
    allowances.top_up(subscription, now)
    if emits:
        _apply_and_emit(subscription)


def _close(subscription: Subscription) -> None:
    now = timezone.now()
    ran_out = now >= subscription.period_end
    subscription.status = Status.ENDED if ran_out else Status.CANCELED
    subscription.ended_at = now
    subscription.due_at = None
    subscription.save()


def _end_current(workspace: Workspace, environment: str) -> None:
    """End the workspace's active subscription: it can have only one at a time."""
    if replaced := current_of(workspace, environment):
        if replaced.store == Store.OPERATOR:
            allowances.top_up(replaced, timezone.now())
            replaced.periods.update(due_at=None)
        _close(replaced)
        _apply_and_emit(replaced)


def _grace_ends_at(subscription: Subscription) -> datetime:
    """Return when the plan ends if the next period is not paid."""
    if subscription.store == Store.OPERATOR:
        return datetime.max.replace(tzinfo=subscription.period_end.tzinfo)
    is_trial = subscription.status == Status.TRIALING
    return subscription.period_end + (_TRIAL_GRACE_PERIOD if is_trial else GRACE_PERIOD)


def _set_cancel(subscription_id: uuid.UUID, at_period_end: bool) -> Subscription:
    subscription = _lock(subscription_id)
    changes = subscription.cancel_at_period_end != at_period_end
    if changes and subscription.is_in_force:
        subscription.cancel_at_period_end = at_period_end
        _save_and_apply(subscription)
    return subscription


def _lock_workspace(workspace_id: uuid.UUID) -> None:
    # NO KEY: rows with a foreign key to the workspace may be inserted meanwhile.
    Workspace.objects.select_for_update(no_key=True).only("pk").get(pk=workspace_id)


@needs_transaction
def _lock(subscription_id: uuid.UUID) -> Subscription:
    """Return the subscription as it is now, locked after its workspace."""
    rows = Subscription.objects.filter(pk=subscription_id)
    _lock_workspace(rows.values_list("workspace", flat=True).get())
    return (
        rows.select_for_update(of=("self",)).select_related("plan", "workspace").get()
    )


def _apply_and_emit(subscription: Subscription) -> None:
    """Update the workspace's tier and limits, and emit `subscription.changed`."""
    if subscription.environment == Environment.PRODUCTION:
        plan = subscription.plan if subscription.is_in_force else None
        Workspace.objects.filter(pk=subscription.workspace_id).update(
            tier=Workspace.Tier.PAID if plan else Workspace.Tier.FREE,
            **limits_of(plan),
        )

    def build() -> Mapping[str, Any]:
        return {
            "environment": subscription.environment,
            "plan_key": subscription.plan.key,
            "status": subscription.status,
            "renews_at": subscription.renews_at,
        }

    emit(subscription.workspace_id, SUBSCRIPTION_CHANGED, build)
