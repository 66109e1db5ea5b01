"""What is granted, against what was paid: whenever and in whatever order it is told."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import Lot, Subscription, SubscriptionPeriod
from billing.plans import products, subscriptions
from billing.plans.months import add_months
from kit.ids import new_id
from tests.billing.clock import Clock
from tests.billing.subscribers import plan, start
from tests.cases import cases

pytestmark = pytest.mark.django_db(transaction=True)

FEW = 8
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", FEW))
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == FEW,  # `make chaos` tries new ones each time
    database=None,
    suppress_health_check=list(HealthCheck),
)
PLUS, STUDIO = 900_000, 5_000_000
FIRST = datetime(2028, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PLANS = ["plus", "studio", "plus_yearly", "studio_yearly"]


class Story:
    """A workspace with one subscription of a store, and the time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.workspace = Workspace.objects.create(name="Calendar")
        self.external_id = str(new_id())
        self.account = str(new_id())

    def at(self, moment: datetime) -> "Story":
        self.clock.now = moment
        return self

    def tell(self, key: str = "plus", **options: Any) -> Subscription:
        """Report a period of the subscription, as a gateway does."""
        values = {"external_id": self.external_id, "store_account": self.account}
        return start(self.workspace, key, **(values | options))

    def call(self, verb: str, *args: Any, **options: Any) -> None:
        """Call a verb of `billing.plans.subscriptions` with the subscription."""
        told = Subscription.objects.get(external_id=self.external_id)
        with transaction.atomic():
            getattr(subscriptions, verb)(told.pk, *args, **options)

    def give(self, key: str | None) -> None:
        """Set the plan as an operator."""
        with transaction.atomic():
            subscriptions.set_plan(self.workspace, plan(key) if key else None)

    def keep(self, until: datetime, every: timedelta = 15 * DAY) -> None:
        """Run the scheduled task regularly until then."""
        while self.clock.now < until:
            self.clock.now = min(until, self.clock.now + every)
            subscriptions.process_due()

    @property
    def lots(self) -> list[Lot]:
        wallet = wallet_of(self.workspace, "PRODUCTION")
        return list(Lot.objects.filter(wallet=wallet, kind="allowance").order_by("pk"))

    @property
    def granted(self) -> list[int]:
        """The credits of each lot, oldest first."""
        return [lot.granted for lot in self.lots]

    @property
    def months(self) -> dict[str, int]:
        """The credits of each month that was granted, in one lot or several."""
        found: dict[str, int] = {}
        for lot in self.lots:
            month = lot.source.rpartition(":")[0]
            found[month] = found.get(month, 0) + lot.granted
        return found


@contextmanager
def story() -> Iterator[Story]:
    products.sync()
    clock = Clock(FIRST)
    with patch.object(timezone, "now", lambda: clock.now):
        yield Story(clock)


def later(months: int, days: int = 0) -> datetime:
    return add_months(FIRST, months, day=31) + days * DAY


def a_trial_changed_to_a_larger_plan(told: Story) -> None:
    told.tell(is_trial=True)
    told.at(FIRST + 3 * DAY).call("change_plan", plan("studio"))
    told.keep(later(3))


def a_trial_changed_and_then_paid(told: Story) -> None:
    told.tell(is_trial=True)
    told.at(FIRST + 3 * DAY).call("change_plan", plan("studio"))
    told.at(FIRST + 7 * DAY).call("renew")
    told.keep(later(3))


def a_trial_paid_before_it_ended(told: Story) -> None:
    told.tell(is_trial=True)
    told.at(FIRST + 2 * DAY).call("renew")
    told.keep(later(3))


def a_second_trial_elsewhere(told: Story) -> None:
    told.tell(is_trial=True)
    told.at(FIRST + 20 * DAY)
    told.external_id = str(new_id())
    told.tell("studio", is_trial=True, period_end=FIRST + 50 * DAY)
    told.keep(later(3))


def a_year_renewed_two_months_early(told: Story) -> None:
    told.tell("plus_yearly")
    told.keep(later(10))
    told.call("renew")
    told.keep(later(30))


def a_year_renewed_early_with_a_larger_plan(told: Story) -> None:
    told.tell("plus_yearly")
    told.keep(later(10, 2))
    told.call("renew", plan=plan("studio_yearly"))
    told.keep(later(30))


def a_year_renewed_twice_at_once(told: Story) -> None:
    told.tell("plus_yearly")
    told.call("renew")
    told.keep(later(30))


def a_year_whose_next_was_told_from_today_on(told: Story) -> None:
    told.tell("plus_yearly")
    told.keep(later(10, 2))
    for _ in range(2):
        told.call("renew", period_start=later(10, 2), period_end=later(24))
    told.keep(later(30))


def a_month_billed_anew_from_another_day(told: Story) -> None:
    told.tell()
    told.at(FIRST + 14 * DAY)
    for _ in range(2):
        told.call("renew", period_start=told.clock.now, period_end=later(1, 14))
    told.keep(later(6))


def a_month_told_after_it_was_over(told: Story) -> None:
    told.tell()
    told.keep(later(3))
    for _ in range(2):
        told.call("renew", period_start=later(1), period_end=later(2))
    told.keep(later(6))


def months_told_in_the_wrong_order(told: Story) -> None:
    told.tell()
    told.at(later(2, 1))
    for _ in range(2):
        told.call("renew", period_start=later(2), period_end=later(3))
        told.call("renew", period_start=later(1), period_end=later(2))
    told.keep(later(6))


def a_gap_between_two_months(told: Story) -> None:
    told.tell()
    told.keep(later(4))
    told.call("renew")
    told.keep(later(8))


def a_year_of_downtime(told: Story) -> None:
    told.tell("plus_yearly")
    told.at(later(17))
    subscriptions.process_due()
    told.keep(later(20))


def an_upgrade_after_downtime(told: Story) -> None:
    told.tell("plus_yearly")
    told.at(later(3, 2)).call("change_plan", plan("studio"))
    told.keep(later(20))


def an_upgrade_told_late_and_undone(told: Story) -> None:
    told.tell()
    for key in ("studio", "plus", "studio", "plus"):
        told.at(FIRST + 20 * DAY).call("change_plan", plan(key))
    told.call("renew")
    told.keep(later(6))


def a_year_that_was_paid_back(told: Story) -> None:
    told.tell("plus_yearly")
    told.keep(later(2, 3))
    told.call("end")
    told.keep(later(20))


def a_year_replaced_by_another_store(told: Story) -> None:
    told.tell("plus_yearly")
    told.keep(later(2, 3))
    start(told.workspace, "studio", external_id=str(new_id()))
    told.keep(later(20))


def a_year_canceled(told: Story) -> None:
    told.tell("plus_yearly")
    told.keep(later(2, 3))
    told.call("cancel")
    told.keep(later(20))


def a_failed_payment(told: Story) -> None:
    told.tell()
    told.at(FIRST + 20 * DAY).call("mark_past_due")
    told.keep(later(6))


def a_plan_given_and_taken_in_turn(told: Story) -> None:
    for days in range(0, 25, 3):
        told.at(FIRST + days * DAY).give("plus")
        told.give(None)
    told.keep(later(6))


def a_given_plan_in_downtime(told: Story) -> None:
    told.give("plus")
    told.at(later(4, 2))
    subscriptions.process_due()


def a_year_told_while_it_was_shut_down(told: Story) -> None:
    told.at(later(14)).tell("plus_yearly", period_start=FIRST, period_end=later(12))
    told.keep(later(16))


PAID = {
    a_trial_changed_to_a_larger_plan: [PLUS],
    a_trial_changed_and_then_paid: [PLUS, STUDIO],
    a_trial_paid_before_it_ended: [PLUS, PLUS],
    a_second_trial_elsewhere: [PLUS],
    a_year_renewed_two_months_early: [PLUS] * 24,
    a_year_renewed_early_with_a_larger_plan: [PLUS] * 12 + [STUDIO] * 12,
    a_year_renewed_twice_at_once: [PLUS] * 24,
    a_year_whose_next_was_told_from_today_on: [PLUS] * 24,
    a_month_billed_anew_from_another_day: [PLUS, PLUS],
    a_month_told_after_it_was_over: [PLUS, PLUS],
    months_told_in_the_wrong_order: [PLUS, PLUS, PLUS],
    a_gap_between_two_months: [PLUS, PLUS],
    a_year_of_downtime: [PLUS] * 12,
    an_upgrade_after_downtime: [PLUS] * 4 + [STUDIO - PLUS] + [STUDIO] * 8,
    an_upgrade_told_late_and_undone: [PLUS, STUDIO - PLUS, PLUS],
    a_year_that_was_paid_back: [PLUS] * 3,
    a_year_replaced_by_another_store: [PLUS] * 3 + [STUDIO] + [PLUS] * 9,
    a_year_canceled: [PLUS] * 12,
    a_failed_payment: [PLUS],
    a_plan_given_and_taken_in_turn: [PLUS],
    a_given_plan_in_downtime: [PLUS] * 5,
    a_year_told_while_it_was_shut_down: [PLUS] * 12,
}
"""What happens, and the lots that are granted for what was paid."""


@pytest.mark.slow("twenty stories of a year or two, twice a month")
def test_what_was_paid_is_granted():
    for happens, case in cases(PAID):
        with case, story() as told:
            happens(told)
            assert told.granted == PAID[happens]


def test_a_trial_ends_with_its_credits():
    with story() as told:
        told.tell(is_trial=True)
        told.at(FIRST + 3 * DAY).call("change_plan", plan("studio"))
        assert {lot.expires_at for lot in told.lots} == {FIRST + 7 * DAY}


def test_an_early_renewal_changes_plan_and_period_when_it_begins():
    with story() as told:
        told.tell("plus_yearly")
        told.at(later(10, 2)).call("renew", plan=plan("studio_yearly"))
        now = Subscription.objects.get()
        assert (now.plan.key, now.period_end) == ("plus_yearly", later(12))
        told.keep(later(12))
        now.refresh_from_db()
        assert (now.plan.key, now.period_end) == ("studio_yearly", later(24))
        assert (now.status, now.period) == ("active", 2)


def test_a_late_notice_of_a_month_that_is_over_does_not_revive_the_plan():
    with story() as told:
        told.tell()
        told.keep(later(3))
        told.call("renew", period_start=later(1), period_end=later(2))
        told.workspace.refresh_from_db()
        assert Subscription.objects.get().status == "ended"
        assert told.workspace.tier == "free"
        # As long as the month would have lasted, from now.
        assert told.lots[-1].expires_at == later(3) + (later(2) - later(1))


@st.composite
def calendars(draw: Any) -> list[tuple[datetime, datetime, str, list[datetime]]]:
    """Return periods in a row, with gaps: begin, end, plan, and when each is told."""
    begins, periods = FIRST, []
    for _ in range(draw(st.integers(1, 4))):
        key = draw(st.sampled_from(PLANS))
        ends = add_months(begins, 12 if "yearly" in key else 1, day=begins.day)
        told = draw(st.lists(st.integers(-60, 500), min_size=1, max_size=3))
        periods.append((begins, ends, key, [begins + days * DAY for days in told]))
        begins = ends + draw(st.sampled_from([0, 0, 0, 1, 40])) * DAY
    return periods


@pytest.mark.slow("random calendars of some years")
@SETTINGS
@given(
    periods=calendars(),
    runs=st.lists(st.integers(1, 400), max_size=8),
    failures=st.lists(st.integers(0, 900), max_size=3),
)
def test_every_paid_month_is_granted_once(periods, runs, failures):
    events: list[tuple[datetime, Any]] = []
    for begins, ends, key, moments in periods:
        period = {"period_start": begins, "period_end": ends}
        events += [(at, ("tell", key, period)) for at in moments]
    at = FIRST
    for pause in runs:
        at += pause * DAY
        events.append((at, ("run",)))
    events += [(FIRST + days * DAY, ("fail",)) for days in failures]
    with story() as told:
        for moment, event in sorted(events, key=lambda event: event[0]):
            told.at(moment)
            if event[0] == "tell":
                told.tell(event[1], **event[2])
            elif event[0] == "run":
                subscriptions.process_due()
            elif Subscription.objects.filter(external_id=told.external_id).exists():
                told.call("mark_past_due")
        told.keep(max(told.clock.now, periods[-1][1]) + 60 * DAY, every=90 * DAY)
        paid = []
        for _, _, key, _ in periods:
            credits = STUDIO if "studio" in key else PLUS
            paid += [credits] * (12 if "yearly" in key else 1)
        assert sorted(told.granted) == sorted(paid)
        assert Subscription.objects.get(external_id=told.external_id).due_at is None


@pytest.mark.slow("random calendars of some years")
@SETTINGS
@given(
    key=st.sampled_from(PLANS),
    is_trial=st.booleans(),
    steps=st.lists(
        st.tuples(
            st.integers(0, 50),
            st.sampled_from(
                ["plus", "studio", "run", "renew", "cancel", "resume", "end", "fail"]
            ),
        ),
        max_size=12,
    ),
)
def test_changes_grant_no_more_than_was_paid(key, is_trial, steps):
    """Each paid month has the credits of the largest plan it had, and a trial its own."""
    with story() as told:
        trial = {"is_trial": True, "period_end": FIRST + 7 * DAY}
        told.tell(key, **(trial if is_trial else {}))
        keys = {key}
        months = 0 if is_trial else (12 if "yearly" in key else 1)
        for days, step in steps:
            told.at(told.clock.now + days * DAY)
            if step == "run":
                subscriptions.process_due()
            elif step == "renew":
                told.call("renew")
                last = SubscriptionPeriod.objects.filter(
                    subscription__external_id=told.external_id
                ).latest("number")
                months += 12 if "yearly" in last.plan.key else 1
            elif step == "fail":
                told.call("mark_past_due")
            elif step in ("plus", "studio"):
                told.call("change_plan", plan(step))
                keys.add(step)
            else:
                told.call(step)
        told.keep(told.clock.now + 900 * DAY, every=90 * DAY)
        most = STUDIO if any("studio" in name for name in keys) else PLUS
        trials = {m: n for m, n in told.months.items() if m.startswith("trial:")}
        paid = {m: n for m, n in told.months.items() if not m.startswith("trial:")}
        assert list(trials.values()) == [plan(key).monthly_allowance] * is_trial
        assert len(paid) <= months
        assert all(credits <= most for credits in paid.values())
        if "end" not in [step for _, step in steps]:
            assert len(paid) == months


@pytest.mark.slow("random calendars of some years")
@SETTINGS
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([0, 0, 1, 20, 70]),
            st.sampled_from(["plus", "studio", "plus_yearly", None, None, "run"]),
        ),
        min_size=6,
        max_size=14,
    )
)
def test_a_given_plan_grants_one_allowance_a_month(steps):
    with story() as told:
        began = None
        keys = set()
        for days, step in steps:
            told.at(told.clock.now + days * DAY)
            if step == "run":
                subscriptions.process_due()
            else:
                told.give(step)
                if step:
                    began = began or told.clock.now
                    keys.add(step)
        subscriptions.process_due()
        elapsed = (told.clock.now - began) / (28 * DAY) if began else -1
        most = STUDIO if "studio" in keys else PLUS
        assert len(told.months) <= elapsed + 1
        assert all(credits <= most for credits in told.months.values())
        assert all(lot.source.startswith("allowance:") for lot in told.lots)
