"""How subscriptions end: trials, payments that fail, cancellations, operators."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from accounts.people import blocking
from billing.errors import SubscriptionInStore
from billing.ledger.wallets import summary, wallet_of
from billing.models import Plan, Subscription
from billing.plans import subscriptions
from tests import factories
from tests.billing.subscribers import (
    FREE,
    PLUS,
    STUDIO,
    allowances,
    limits,
    plan,
    run,
    start,
    subscriber,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace():
    return subscriber()


def test_a_trial_is_granted_once_for_a_store_account(workspace, clock):
    clock.set(2028, 1, 5)
    options: dict[str, Any] = {"is_trial": True, "store_account": "cus_1"}
    trial = start(workspace, **options)
    assert (trial.status, trial.period_end.day) == ("trialing", 12)
    assert allowances(workspace) == [(900_000, "2028-01-12 12:00")]
    assert limits(workspace) == PLUS
    other = factories.workspace(factories.user())
    again = start(other, external_id="sub_2", **options)
    assert (again.status, allowances(other)) == ("trialing", [])
    third = factories.workspace(factories.user())
    Plan.objects.filter(key="studio").update(trial_days=3)
    start(third, "studio", external_id="sub_3", **options)
    assert allowances(third) == []
    # Paying brings the first month of its own.
    clock.set(2028, 1, 12)
    paid = run(subscriptions.renew, trial)
    assert (paid.status, paid.anchor_day) == ("active", 12)
    assert paid.period_end == datetime(2028, 2, 12, 12, tzinfo=UTC)
    assert allowances(workspace)[1:] == [(900_000, "2028-02-13 12:00")]


def test_another_plan_within_a_trial_grants_nothing_before_it_is_paid(workspace, clock):
    clock.set(2028, 1, 5)
    options: dict[str, Any] = {"is_trial": True, "store_account": "cus_1"}
    trial = start(workspace, **options)
    for _ in range(2):
        run(subscriptions.change_plan, trial, plan("studio"))
        run(subscriptions.change_plan, trial, plan())
    run(subscriptions.change_plan, trial, plan("studio"))
    assert limits(workspace) == STUDIO
    assert allowances(workspace) == [(900_000, "2028-01-12 12:00")]
    # What was edited counts from the next month on, in a trial too.
    Plan.objects.filter(key="studio").update(monthly_allowance=9_000_000)
    run(subscriptions.cancel, trial)
    assert len(allowances(workspace)) == 1
    # Elsewhere the account has had its trial.
    other = factories.workspace(factories.user())
    second = start(other, external_id="sub_2", **options)
    run(subscriptions.change_plan, second, plan("studio"))
    assert (len(allowances(workspace)), allowances(other)) == (1, [])
    clock.set(2028, 1, 12)
    run(subscriptions.renew, trial)
    assert allowances(workspace)[1:] == [(9_000_000, "2028-02-13 12:00")]


def test_unpaid_trial_ends(workspace, clock):
    clock.set(2028, 1, 5)
    trial = start(workspace, is_trial=True, store_account="cus_1")
    clock.set(2028, 1, 12)
    subscriptions.process_due()
    trial.refresh_from_db()
    assert trial.status == "trialing"
    clock.set(2028, 1, 13)
    subscriptions.process_due()
    trial.refresh_from_db()
    assert (trial.status, trial.ended_at) == ("ended", clock.now)
    assert limits(workspace) == FREE
    assert len(allowances(workspace)) == 1


def test_unpaid_plan_stays_for_the_grace_period_without_credits(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    clock.set(2028, 2, 5)
    subscriptions.process_due()
    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    assert limits(workspace) == PLUS
    assert len(allowances(workspace)) == 1
    clock.forward(days=15)
    assert subscriptions.process_due() == 0
    paid = run(subscriptions.renew, subscription)
    assert (paid.status, len(allowances(workspace))) == ("active", 2)
    clock.set(2028, 3, 5)
    subscriptions.process_due()
    clock.forward(days=16)
    subscriptions.process_due()
    subscription.refresh_from_db()
    assert subscription.status == "ended"
    assert limits(workspace) == FREE


def test_failed_payment_makes_it_past_due(workspace):
    subscription = start(workspace)
    assert run(subscriptions.mark_past_due, subscription).status == "past_due"
    assert limits(workspace) == PLUS
    assert len(allowances(workspace)) == 1


def test_canceled_subscription_ends_with_its_period(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    canceled = run(subscriptions.cancel, subscription)
    assert (canceled.cancel_at_period_end, canceled.renews_at) == (True, None)
    assert limits(workspace) == PLUS
    clock.set(2028, 2, 5)
    subscriptions.process_due()
    subscription.refresh_from_db()
    assert subscription.status == "ended"
    assert limits(workspace) == FREE


def test_canceled_subscription_can_be_resumed(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    run(subscriptions.cancel, subscription)
    resumed = run(subscriptions.resume, subscription)
    assert resumed.renews_at == resumed.period_end
    clock.set(2028, 2, 5)
    subscriptions.process_due()
    subscription.refresh_from_db()
    assert subscription.status == "past_due"


def test_ended_subscription_keeps_credits_and_can_be_renewed(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    ended = run(subscriptions.end, subscription)
    assert (ended.status, limits(workspace)) == ("canceled", FREE)
    assert summary(wallet_of(workspace, "PRODUCTION"))["balance"] == 905_000
    run(subscriptions.end, subscription)  # called twice
    assert run(subscriptions.change_plan, subscription, plan("studio")).plan == plan()
    run(subscriptions.cancel, subscription)
    clock.set(2028, 2, 7)
    back = run(subscriptions.renew, subscription)
    assert (back.status, back.anchor_day, back.ended_at) == ("active", 7, None)
    assert limits(workspace) == PLUS
    assert len(allowances(workspace)) == 2


def test_new_subscription_replaces_the_old(workspace):
    first = start(workspace)
    second = start(workspace, "studio", external_id="sub_2")
    first.refresh_from_db()
    assert (first.status, second.status) == ("canceled", "active")
    assert limits(workspace) == STUDIO
    assert [credits for credits, _ in allowances(workspace)] == [900_000, 5_000_000]


def test_blocked_workspace_keeps_its_plan(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace, "plus_yearly")
    blocking.block(workspace)
    assert limits(workspace) == PLUS
    clock.set(2028, 2, 5)
    subscriptions.process_due()
    assert len(allowances(workspace)) == 2
    run(subscriptions.end, subscription)
    assert limits(workspace) == FREE


def test_operators_plan_renews_by_itself(workspace, clock):
    clock.set(2028, 1, 31)
    with transaction.atomic():
        given = subscriptions.set_plan(workspace, plan())
    assert given is not None
    assert allowances(workspace) == [(900_000, "2028-02-29 12:00")]
    clock.set(2028, 2, 29)
    subscriptions.process_due()
    clock.set(2028, 6, 3)  # and after a long pause
    subscriptions.process_due()
    given.refresh_from_db()
    assert (given.status, given.period) == ("active", 5)
    assert given.period_end == datetime(2028, 6, 30, 12, tzinfo=UTC)
    assert allowances(workspace)[1:] == [
        (900_000, "2028-03-31 12:00"),
        # Two months passed meanwhile: they last as long from now.
        (900_000, "2028-07-03 12:00"),
        (900_000, "2028-07-04 12:00"),
        (900_000, "2028-06-30 12:00"),
    ]
    assert limits(workspace) == PLUS


def test_setting_a_plan_changes_and_ends_it(workspace):
    def set_plan(chosen):
        with transaction.atomic():
            return subscriptions.set_plan(workspace, chosen)

    assert set_plan(None) is None
    given = set_plan(plan())
    assert set_plan(plan()).pk == given.pk
    assert set_plan(plan("studio")).pk == given.pk
    assert limits(workspace) == STUDIO
    assert sum(credits for credits, _ in allowances(workspace)) == 5_000_000
    assert set_plan(None).status == "canceled"
    assert limits(workspace) == FREE
    for _ in range(3):  # once more, it is the same month
        assert set_plan(plan()).pk == given.pk
        assert limits(workspace) == PLUS
        assert set_plan(None).status == "canceled"
    assert sum(credits for credits, _ in allowances(workspace)) == 5_000_000


def test_an_operators_plan_that_was_off_for_months_goes_on(workspace, clock):
    def set_plan(chosen):
        with transaction.atomic():
            return subscriptions.set_plan(workspace, chosen)

    clock.set(2028, 1, 5)
    set_plan(plan("plus_yearly"))
    clock.set(2028, 1, 20)
    set_plan(None)
    clock.set(2028, 4, 10)
    subscriptions.process_due()
    assert allowances(workspace) == [(900_000, "2028-02-05 12:00")]
    set_plan(plan("studio_yearly"))
    clock.set(2028, 5, 5)
    subscriptions.process_due()
    assert allowances(workspace)[1:] == [
        (5_000_000, "2028-05-05 12:00"),
        (5_000_000, "2028-06-05 12:00"),
    ]
    # A month over, it is a new plan.
    set_plan(None)
    clock.set(2029, 1, 6)
    assert set_plan(plan()).period_start == clock.now


def test_plan_billed_by_a_store_cannot_be_set(workspace):
    start(workspace)
    for chosen in (None, plan("studio")):
        with pytest.raises(SubscriptionInStore, match="Stripe"), transaction.atomic():
            subscriptions.set_plan(workspace, chosen)
    assert limits(workspace) == PLUS
    assert Subscription.objects.get().status == "active"
