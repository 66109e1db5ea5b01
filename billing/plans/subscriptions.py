"""Subscriptions: beginning, renewing, changing and ending them, whoever takes the money.

A gateway tells what was paid; the functions here make it so. Each

- is a part of one transaction, in which the fact, its allowance, the workspace's limits
  and the event all happen or none does;
- may be told the same thing twice, or late: a period that is not later than the present
  one changes nothing;
- locks the workspace first, then the subscription; the ledger locks the wallet after.

Credits are lots of their own, one for each month (`billing.plans.allowances`), and end by
themselves: renewing zeroes nothing, ending takes nothing away.
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
from billing.models import Plan, Store, Subscription, Term
from billing.plans import allowances
from billing.plans.months import add_months
from kit.db.transactions import needs_transaction, one_transaction
from webhooks.emit import emit

Status = Subscription.Status

LATE_FOR = timedelta(days=16)
"""How long a plan goes on after its period, while its store tries to collect; the longest
grace that the stores give. No allowance comes in that time."""
_TRIAL_LATE_FOR = timedelta(days=1)
_MOST_AT_ONCE = 500  # subscriptions in one run of the calendar
_SUBSCRIBERS = (Workspace.Kind.PERSONAL, Workspace.Kind.TEAM)

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
    """Begin a subscription and grant its first month; return it.

    It takes the place of one that the workspace has: a plan in force is replaced, and the
    credits that it granted stay. One that the store has told before is renewed instead, if
    the period is later. Without `period_end` it is one term of the plan, or its trial.

    Raises:
        SubscriptionElsewhere: the store has told it for another workspace.
    """
    if workspace.kind not in _SUBSCRIBERS:
        raise ValueError(f"a workspace of {workspace.kind} has no plan")
    _lock_workspace(workspace.pk)
    if external_id and (known := _known(store, environment, external_id)):
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
            else _end_of_term(begins, Term(plan.term), day)
        )
    _make_room(workspace, str(environment))
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
    _settle(subscription)
    return subscription


@needs_transaction
def renew(
    subscription_id: uuid.UUID,
    *,
    plan: Plan | None = None,
    period_start: datetime | None = None,
    period_end: datetime | None = None,
) -> Subscription:
    """Begin the next paid period, with another plan if one is named; return it.

    Also brings back a subscription that was over: what is paid for is given. A period that
    ends no later than the present one was told before, and changes nothing.
    """
    subscription = _lock(subscription_id)
    plan = plan or subscription.plan
    begins = period_start or (
        subscription.period_end if subscription.is_in_force else timezone.now()
    )
    day = subscription.anchor_day
    if begins.day != add_months(begins, 0, day=day).day:
        day = begins.day
    ends = period_end or _end_of_term(begins, Term(plan.term), day)
    if ends <= subscription.period_end:
        return subscription
    if not subscription.is_in_force:
        _make_room(subscription.workspace, subscription.environment)
    subscription.plan = plan
    subscription.status = Status.ACTIVE
    subscription.term = plan.term
    subscription.period += 1
    subscription.period_start, subscription.period_end = begins, ends
    subscription.anchor_day = day
    subscription.cancel_at_period_end = False
    subscription.ended_at = None
    _settle(subscription)
    return subscription


@needs_transaction
def change_plan(subscription_id: uuid.UUID, plan: Plan) -> Subscription:
    """Give another plan from now on, within the paid period; return the subscription.

    Its limits hold at once. A larger allowance grants the difference as a lot of its own;
    a smaller one takes nothing back and begins with the next month. The term is that of
    the next period.
    """
    subscription = _lock(subscription_id)
    if plan.pk != subscription.plan_id and subscription.is_in_force:
        subscription.plan = plan
        _settle(subscription)
    return subscription


@needs_transaction
def cancel(subscription_id: uuid.UUID) -> Subscription:
    """Let it end with the period that is paid; return it."""
    return _set_cancel(subscription_id, True)


@needs_transaction
def resume(subscription_id: uuid.UUID) -> Subscription:
    """Let it renew after all; return it."""
    return _set_cancel(subscription_id, False)


@needs_transaction
def mark_past_due(subscription_id: uuid.UUID) -> Subscription:
    """Note that a payment has failed; the plan goes on for `LATE_FOR` past its period."""
    subscription = _lock(subscription_id)
    if subscription.status == Status.ACTIVE:
        subscription.status = Status.PAST_DUE
        _settle(subscription)
    return subscription


@needs_transaction
def end(subscription_id: uuid.UUID) -> Subscription:
    """End it now; credits that it granted stay until their month ends. Return it."""
    subscription = _lock(subscription_id)
    if subscription.is_in_force:
        _close(subscription)
        _tell(subscription)
    return subscription


@needs_transaction
def set_plan(
    workspace: Workspace,
    plan: Plan | None,
    *,
    environment: str = Environment.PRODUCTION,
) -> Subscription | None:
    """Give a workspace a plan that nobody pays for, or end it with None; return it.

    For operators. It renews itself until it is ended.

    Raises:
        SubscriptionInStore: a store collects for the plan that the workspace has.
    """
    _lock_workspace(workspace.pk)
    current = current_of(workspace, environment)
    if current is not None and current.store != Store.OPERATOR:
        raise SubscriptionInStore(store=Store(current.store).label)
    if plan is None:
        return end(current.pk) if current else None
    if current is not None:
        return change_plan(current.pk, plan)
    return start(workspace, plan, store=Store.OPERATOR, environment=environment)


def current_of(workspace: Workspace, environment: str) -> Subscription | None:
    """Return the subscription in force, with its plan; None for none."""
    return (
        Subscription.objects.for_workspace(workspace)
        .current()
        .filter(environment=str(environment))
        .select_related("plan")
        .first()
    )


def keep_all() -> int:
    """Do what time asks for: grant months that begin, renew ours, end what ran out.

    Returns how many subscriptions were looked at. Each has a transaction of its own; two
    runs at once do everything once.
    """
    now = timezone.now()
    due = Subscription.objects.filter(due_at__lte=now).order_by("due_at")
    ids = list(due.values_list("pk", flat=True)[:_MOST_AT_ONCE])
    for subscription_id in ids:
        try:
            _keep(subscription_id, now)
        except Exception:
            # One that can't be kept must not stop those behind it.
            logger.exception("subscription %s could not be kept", subscription_id)
    return len(ids)


def refresh_limits(plan: Plan) -> None:
    """Hand a plan's edited limits to the workspaces that have it."""
    holders = Subscription.objects.current().filter(
        plan=plan, environment=Environment.PRODUCTION.value
    )
    Workspace.objects.filter(pk__in=holders.values("workspace")).update(
        **limits_of(plan)
    )


def limits_of(plan: Plan | None) -> dict[str, int | None]:
    """Return the columns of a workspace that a plan decides; without one, all None."""
    return {name: getattr(plan, name) if plan else None for name in Plan.LIMITS}


def _known(store: Store, environment: str, external_id: str) -> Subscription | None:
    return Subscription.objects.filter(
        store=store, environment=str(environment), external_id=external_id
    ).first()


@one_transaction
def _keep(subscription_id: uuid.UUID, now: datetime) -> None:
    subscription = _lock(subscription_id)
    if subscription.due_at is None or subscription.due_at > now:
        return  # somebody else was faster
    if now < subscription.period_end:
        _settle(subscription, tells=False)
    elif subscription.cancel_at_period_end or now >= _given_up_at(subscription):
        _close(subscription)
        _tell(subscription)
    elif subscription.store == Store.OPERATOR:
        # After a long pause, straight to the period that it is now.
        while subscription.period_end <= now:
            subscription.period_start = subscription.period_end
            subscription.term = subscription.plan.term
            subscription.period += 1
            subscription.period_end = _end_of_term(
                subscription.period_start,
                Term(subscription.term),
                subscription.anchor_day,
            )
        _settle(subscription)
    else:
        was = subscription.status
        if was == Status.ACTIVE:
            subscription.status = Status.PAST_DUE
        _settle(subscription, tells=was != subscription.status)


def _settle(subscription: Subscription, *, tells: bool = True) -> None:
    """Save a subscription in force with all that follows from it."""
    now = timezone.now()
    ahead = [at for at in allowances.boundaries(subscription) if at > now]
    subscription.due_at = ahead[0] if ahead else _given_up_at(subscription)
    subscription.save()
    allowances.top_up(subscription, now)
    if tells:
        _tell(subscription)


def _close(subscription: Subscription) -> None:
    now = timezone.now()
    ran_out = now >= subscription.period_end
    subscription.status = Status.ENDED if ran_out else Status.CANCELED
    subscription.ended_at = now
    subscription.due_at = None
    subscription.save()


def _make_room(workspace: Workspace, environment: str) -> None:
    """End what the workspace has: one subscription is in force at a time."""
    if replaced := current_of(workspace, environment):
        _close(replaced)
        _tell(replaced)


def _given_up_at(subscription: Subscription) -> datetime:
    """Return when a period that was not paid for ends the plan."""
    if subscription.store == Store.OPERATOR:
        return datetime.max.replace(tzinfo=subscription.period_end.tzinfo)
    is_trial = subscription.status == Status.TRIALING
    return subscription.period_end + (_TRIAL_LATE_FOR if is_trial else LATE_FOR)


def _end_of_term(begins: datetime, term: Term, day: int) -> datetime:
    return add_months(begins, term.months, day=day)


def _set_cancel(subscription_id: uuid.UUID, at_period_end: bool) -> Subscription:
    subscription = _lock(subscription_id)
    changes = subscription.cancel_at_period_end != at_period_end
    if changes and subscription.is_in_force:
        subscription.cancel_at_period_end = at_period_end
        _settle(subscription)
    return subscription


def _lock_workspace(workspace_id: uuid.UUID) -> None:
    # No key: rows that refer to the workspace may be written meanwhile.
    Workspace.objects.select_for_update(no_key=True).only("pk").get(pk=workspace_id)


@needs_transaction
def _lock(subscription_id: uuid.UUID) -> Subscription:
    """Return the subscription as it is now, locked after its workspace."""
    rows = Subscription.objects.filter(pk=subscription_id)
    _lock_workspace(rows.values_list("workspace", flat=True).get())
    return (
        rows.select_for_update(of=("self",)).select_related("plan", "workspace").get()
    )


def _tell(subscription: Subscription) -> None:
    """Bring the workspace in step with the change, and tell who listens."""
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
