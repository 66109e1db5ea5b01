"""Subscriptions: periods, monthly allowances, limits and events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Workspace
from billing.errors import SubscriptionElsewhere
from billing.ledger.wallets import summary, wallet_of
from billing.models import Lot, Plan, Store, Subscription
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
from tests.threads import in_threads
from webhooks import endpoints
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace():
    return subscriber()


def test_start_grants_the_month_and_sets_the_limits(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    assert (subscription.status, subscription.period) == ("active", 1)
    assert subscription.period_end == datetime(2028, 2, 5, 12, tzinfo=UTC)
    # A day of grace, until the store has reported the next payment.
    assert allowances(workspace) == [(900_000, "2028-02-06 12:00")]
    assert allowances(workspace, "SANDBOX") == []
    assert limits(workspace) == PLUS
    assert summary(wallet_of(workspace, "PRODUCTION"))["balance"] == 905_000


def test_renewal_grants_and_removes_no_credits(workspace, clock):
    clock.set(2028, 1, 31)
    subscription = start(workspace)
    clock.set(2028, 2, 29)
    run(subscriptions.renew, subscription)
    clock.set(2028, 3, 31)
    run(subscriptions.renew, subscription)
    clock.set(2028, 4, 30)
    renewed = run(subscriptions.renew, subscription)
    assert allowances(workspace) == [
        (900_000, "2028-03-01 12:00"),
        (900_000, "2028-04-01 12:00"),
        (900_000, "2028-05-01 12:00"),
        (900_000, "2028-06-01 12:00"),
    ]
    assert (renewed.period, renewed.anchor_day) == (4, 31)
    assert {lot.available for lot in Lot.objects.filter(kind="allowance")} == {900_000}


def test_period_reported_twice_or_late_counts_once(workspace, clock):
    clock.set(2028, 1, 5)
    first = start(workspace)
    sent = {
        "period_start": datetime(2028, 2, 5, 12, tzinfo=UTC),
        "period_end": datetime(2028, 3, 5, 12, tzinfo=UTC),
    }
    clock.set(2028, 2, 5, 13)
    for _ in range(3):
        run(subscriptions.renew, first, **sent)
    late: dict[str, Any] = {"period_start": datetime(2028, 1, 5, 12, tzinfo=UTC)}
    again = start(workspace, **late)
    assert (again.pk, again.period) == (first.pk, 2)
    assert len(allowances(workspace)) == 2
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("begins", "months"),
    [
        (
            (2027, 1, 31),
            "2027-02-28 2027-03-31 2027-04-30 2027-05-31 2027-06-30 2027-07-31"
            " 2027-08-31 2027-09-30 2027-10-31 2027-11-30 2027-12-31 2028-02-01",
        ),
        (
            (2028, 2, 29),
            "2028-03-29 2028-04-29 2028-05-29 2028-06-29 2028-07-29 2028-08-29"
            " 2028-09-29 2028-10-29 2028-11-29 2028-12-29 2029-01-29 2029-03-01",
        ),
    ],
)
def test_yearly_plan_is_granted_monthly(workspace, clock, begins, months):
    moment = clock.set(*begins)
    subscription = start(workspace, "plus_yearly")
    ends = subscription.period_end
    while clock.now < ends:
        subscriptions.process_due()
        clock.forward(hours=7)
    granted = allowances(workspace)
    assert [credits for credits, _ in granted] == [900_000] * 12
    assert [at.split()[0] for _, at in granted] == months.split()
    assert moment < ends


def test_months_that_passed_meanwhile_are_granted_for_as_long_from_now(
    workspace, clock
):
    clock.set(2027, 1, 10)
    start(workspace, "plus_yearly")
    clock.set(2027, 4, 20)  # no run for three months
    assert subscriptions.process_due() == 1
    assert subscriptions.process_due() == 0
    assert allowances(workspace) == [
        (900_000, "2027-02-10 12:00"),
        (900_000, "2027-05-18 12:00"),
        (900_000, "2027-05-21 12:00"),
        (900_000, "2027-05-10 12:00"),
    ]


def test_parallel_scheduled_runs_grant_once(workspace, clock):
    clock.set(2027, 1, 10)
    start(workspace, "plus_yearly")
    clock.set(2027, 2, 10)
    in_threads(6, subscriptions.process_due)
    assert len(allowances(workspace)) == 2
    clock.set(2027, 3, 10)
    in_threads(6, subscriptions.process_due)
    assert len(allowances(workspace)) == 3


def test_parallel_starts_make_one_subscription(workspace):
    assert len({s.pk for s in in_threads(6, lambda: start(workspace))}) == 1
    assert len(allowances(workspace)) == 1


def test_repeated_start_with_a_later_period_renews(workspace, clock):
    clock.set(2028, 1, 5)
    start(workspace)
    clock.set(2028, 2, 5)
    again = start(workspace, period_end=datetime(2028, 3, 5, 12, tzinfo=UTC))
    assert (again.period, len(allowances(workspace))) == (2, 2)


def test_parallel_renewals_renew_once(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    clock.set(2028, 2, 5)
    ends = datetime(2028, 3, 5, 12, tzinfo=UTC)
    in_threads(6, lambda: run(subscriptions.renew, subscription, period_end=ends))
    assert len(allowances(workspace)) == 2


def test_an_upgrade_grants_the_difference_once(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    clock.set(2028, 1, 20)
    for _ in range(2):
        run(subscriptions.change_plan, subscription, plan("studio"))
    assert allowances(workspace) == [
        (900_000, "2028-02-06 12:00"),
        (4_100_000, "2028-02-06 12:00"),
    ]
    assert limits(workspace) == STUDIO
    # Down again, and up again: the month has had its credits.
    run(subscriptions.change_plan, subscription, plan())
    assert limits(workspace) == PLUS
    run(subscriptions.change_plan, subscription, plan("studio"))
    assert len(allowances(workspace)) == 2
    clock.set(2028, 2, 5)
    run(subscriptions.renew, subscription)
    assert allowances(workspace)[2:] == [(5_000_000, "2028-03-06 12:00")]


def test_an_edited_allowance_counts_from_the_next_month(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace)
    Plan.objects.filter(key="plus").update(monthly_allowance=1_000_000)
    clock.set(2028, 1, 20)
    for verb in (
        subscriptions.cancel,
        subscriptions.resume,
        subscriptions.mark_past_due,
    ):
        changed = run(verb, subscription)
    assert (changed.status, changed.cancel_at_period_end) == ("past_due", False)
    # Up and down again within the month, too.
    run(subscriptions.change_plan, subscription, plan("studio"))
    run(subscriptions.change_plan, subscription, plan())
    assert [credits for credits, _ in allowances(workspace)] == [900_000, 4_100_000]
    clock.set(2028, 2, 5)
    run(subscriptions.renew, subscription)
    assert allowances(workspace)[2:] == [(1_000_000, "2028-03-06 12:00")]


def test_a_smaller_plan_begins_with_the_next_month(workspace, clock):
    clock.set(2028, 1, 5)
    subscription = start(workspace, "studio")
    run(subscriptions.change_plan, subscription, plan())
    assert allowances(workspace) == [(5_000_000, "2028-02-06 12:00")]
    clock.set(2028, 2, 5)
    run(subscriptions.renew, subscription)
    assert allowances(workspace)[1:] == [(900_000, "2028-03-06 12:00")]


def test_sandbox_plans_change_nothing_in_production(workspace):
    start(workspace, environment="SANDBOX")
    assert limits(workspace) == FREE
    assert allowances(workspace) == []
    assert len(allowances(workspace, "SANDBOX")) == 1


@pytest.mark.parametrize("kind", ["guests", "operators"])
def test_not_every_workspace_can_have_a_plan(workspace, kind):
    built_in = Workspace.objects.create(name="Test", kind=kind)
    with pytest.raises(ValueError, match="no plan"):
        start(built_in)
    assert Subscription.objects.count() == 0


def test_every_change_sends_an_event(workspace, clock):
    clock.set(2028, 1, 5)
    with transaction.atomic():
        endpoints.create(
            workspace,
            url="https://hooks.example.com/a",
            events=["subscription.changed"],
        )
    subscription = start(workspace)
    run(subscriptions.cancel, subscription)
    run(subscriptions.resume, subscription)
    run(subscriptions.change_plan, subscription, plan("studio"))
    clock.set(2028, 2, 5)
    run(subscriptions.renew, subscription)
    run(subscriptions.end, subscription)
    sent = [
        (data["plan_key"], data["status"], data["renews_at"])
        for event in Event.objects.filter(type="subscription.changed").order_by("pk")
        for data in [json.loads(bytes(event.body))["data"]]
    ]
    assert sent == [
        ("plus", "active", "2028-02-05T12:00:00Z"),
        ("plus", "active", None),
        ("plus", "active", "2028-02-05T12:00:00Z"),
        ("studio", "active", "2028-02-05T12:00:00Z"),
        ("studio", "active", "2028-03-05T12:00:00Z"),
        ("studio", "canceled", None),
    ]


def test_a_stores_subscription_stays_in_its_workspace(workspace):
    start(workspace)
    other = factories.workspace(factories.user())
    ends = timezone.now() + timedelta(days=90)
    for options in ({}, {"period_end": ends}):
        with pytest.raises(SubscriptionElsewhere):
            start(other, **options)
    assert (allowances(other), limits(other)) == ([], FREE)
    assert len(allowances(workspace)) == 1
    # In the sandbox it is another one.
    assert start(other, environment="SANDBOX").workspace == other


def test_a_rolled_back_change_leaves_nothing(workspace):
    with transaction.atomic():
        subscriptions.start(workspace, plan(), store=Store.DEMO)
        transaction.set_rollback(True)
    assert Subscription.objects.count() == 0
    assert allowances(workspace) == []
    assert limits(workspace) == FREE


def test_failed_subscription_does_not_stop_the_others(
    workspace, clock, monkeypatch, caplog
):
    clock.set(2028, 1, 5)
    broken = start(workspace)
    other = factories.workspace(factories.user())
    clock.forward(hours=1)
    start(other, external_id="sub_2")
    keep = subscriptions._process

    def fail(pk, now):
        if pk == broken.pk:
            raise ZeroDivisionError
        keep(pk, now)

    monkeypatch.setattr(subscriptions, "_process", fail)
    clock.set(2028, 2, 6)
    assert subscriptions.process_due() == 2
    assert "could not be processed" in caplog.text
    statuses = Subscription.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["active", "past_due"]


def test_edited_limits_apply_to_subscribed_workspaces(workspace):
    start(workspace)
    other = factories.workspace(factories.user())
    start(other, "studio", external_id="sub_2")
    browser = factories.browser(factories.user(is_staff=True, is_superuser=True))
    row = plan()
    form = {
        name: getattr(row, name)
        for name in "name monthly_allowance amount currency term trial_days".split()
    } | {
        "rate_synthesis": 77,
        "rate_other": 700,
        "concurrency": 9,
        "retention_days": 10,
        "storage_mb": 11,
        "is_offered": "on",
    }
    answer = browser.post(f"/admin/billing/plan/{row.pk}/change/", form)
    assert answer.status_code == 302
    assert limits(workspace) == ("paid", 77, 700, 9, 10, 11)
    assert limits(other) == STUDIO


@pytest.mark.parametrize(
    "change",
    [
        {"status": "odd"},
        {"environment": "MARS"},
        {"anchor_day": 32},
        {"due_at": None},
        {"status": "ended"},
        {"ended_at": timezone.now()},
        {"period_end": datetime(2000, 1, 1, tzinfo=UTC)},
    ],
)
def test_database_refuses_invalid_subscriptions(workspace, change):
    start(workspace)
    with pytest.raises(IntegrityError):
        Subscription.objects.update(**change)


def test_database_allows_one_active_subscription(workspace):
    first = start(workspace)
    with pytest.raises(IntegrityError):
        Subscription.objects.create(
            workspace=workspace,
            environment="PRODUCTION",
            plan=plan(),
            status="active",
            store="demo",
            term="monthly",
            period_start=first.period_start,
            period_end=first.period_end + timedelta(days=1),
            anchor_day=1,
            due_at=first.period_end,
        )
