"""Statements of past months are computed once, by a scheduled task, and stored."""

import datetime

import pytest
from django.db import transaction

from billing.ledger.wallets import wallet_of
from billing.models import ClosedMonth, MonthEndRun, Pack, Store, Wallet
from billing.payments import purchases
from billing.reports import closed_months, statements
from tests.billing.factories import grant, wallet, without_guards
from tests.billing.reports.test_history import spoken
from tests.billing.reports.test_statements import NOVEMBER, at, dated
from tests.billing.subscribers import subscriber
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
OCTOBER = datetime.date(2025, 10, 1)
DECEMBER = datetime.date(2025, 12, 1)


def used(*days: datetime.datetime) -> Wallet:
    """Return a wallet with a gift on each of these days."""
    made = wallet()
    for number, _ in enumerate(days):
        grant(made, 10 + number, reason="Gift")
    return dated(made, *days)


def kept() -> list[tuple[int, str]]:
    rows = ClosedMonth.objects.order_by("wallet", "month")
    return [(row.wallet_id, f"{row.month:%Y-%m}") for row in rows]


def test_past_month_is_read_from_its_row(clock, django_assert_num_queries):
    workspace = subscriber()
    made = wallet_of(workspace, "PRODUCTION")
    with transaction.atomic():
        purchases.sell(
            made,
            Pack.objects.get(key="credit_pack_1hr"),
            store=Store.STRIPE,
            external_id="pay_1",
        )
    spoken(workspace, at(11, 3), 120)
    made = dated(made, at(10, 31), at(11, 2))
    with without_guards() as cursor:
        cursor.execute("UPDATE billing_purchase SET created_at = %s", [at(11, 2)])
    live = statements.of(made, NOVEMBER)
    assert (len(live.lines), len(live.paid), live.scenes, live.characters) == (
        *(1, 1, 1, 120),
    )
    clock.set(2025, 12, 1, 12)
    assert closed_months.close_all() == 2
    with django_assert_num_queries(1):
        assert statements.of(made, NOVEMBER) == live


def test_only_past_months_with_activity_are_stored(clock):
    first = used(at(10, 5), at(12, 1))
    second = used(at(11, 5))
    clock.set(2025, 12, 15)
    assert closed_months.close_all() == 2
    assert kept() == [(first.pk, "2025-10"), (second.pk, "2025-11")]
    assert statements.of(first, NOVEMBER).lines == []
    assert statements.of(first, DECEMBER).closing_balance == 21
    # Again: nothing is left to do.
    assert closed_months.close_all() == 0
    clock.set(2026, 1, 2)
    assert closed_months.close_all() == 1
    assert kept()[1] == (first.pk, "2025-12")


def test_month_is_closed_after_its_postings_are_visible(clock):
    used(at(11, 5))
    clock.now = datetime.datetime(2025, 12, 1, 0, 59, tzinfo=datetime.UTC)
    assert closed_months.close_all() == 0
    clock.forward(minutes=1)
    assert closed_months.close_all() == 1


def test_killed_run_is_continued_by_the_next(clock, monkeypatch):
    wallets = [used(at(11, 5)) for _ in range(3)]
    clock.set(2025, 12, 15)
    close = closed_months.close

    def die(one, month):
        if one == wallets[1] and month == NOVEMBER:
            raise SystemExit
        return close(one, month)

    monkeypatch.setattr(closed_months, "close", die)
    with pytest.raises(SystemExit):
        closed_months.close_all(batch=1)
    assert kept() == [(wallets[0].pk, "2025-11")]
    assert MonthEndRun.objects.get(month=NOVEMBER).last_wallet == wallets[0].pk
    monkeypatch.setattr(closed_months, "close", close)
    assert closed_months.close_all(batch=1) == 2
    assert len(kept()) == 3


def test_parallel_runs_close_each_month_once(clock):
    wallets = [used(at(10, 5), at(11, 5)) for _ in range(4)]
    clock.set(2025, 12, 15)
    assert sum(in_threads(4, lambda: closed_months.close_all(batch=1))) == 8
    assert len(kept()) == 2 * len(wallets)
