"""Credits that expire, or lapse after a year without use; time is the database's."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from django.utils import timezone

from billing.errors import InsufficientCredits, LedgerKeyReused
from billing.ledger import IDLE
from billing.ledger.wallets import spendable, summary, wallet_of
from billing.models import LedgerTransaction, Lot, Pack, Store, Wallet
from billing.payments import purchases
from tests.billing.factories import (
    capture,
    columns,
    entries,
    expire,
    grant,
    lapse,
    lapse_idle,
    lots,
    nothing_changes,
    release,
    reserve,
    shift,
    violations,
    wallet,
)
from tests.billing.subscribers import start, subscriber

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


# --- the time of a lot -------------------------------------------------------------------


def test_expired_lot_lapses():
    w = wallet(("promo", 100), ("pack", 5))
    lot = w.lots.get(kind="promo")
    reserve(w, 30)
    lapse(lot)
    assert expire(lot) == 70
    assert lots(w) == [("promo", 0, 30, 0, 70), ("pack", 5, 0, 0, 0)]
    assert entries(w)[-2:] == [
        ("expire", "available", -70, 5),
        ("expire", "breakage", 70, 5),
    ]
    assert LedgerTransaction.objects.latest("seq").key == f"expire:{lot.pk}"
    assert violations() == {}


def test_reserved_credits_of_an_expired_lot_lapse_on_release():
    w = wallet(("promo", 100))
    lot = w.lots.get()
    reserve(w, 30)
    lapse(lot)
    expire(lot)
    capture(10)
    assert release() == 20
    assert lots(w) == [("promo", 0, 0, 10, 90)]
    assert expire(lot) == 0
    assert violations() == {}


def test_a_lot_lapses_once():
    w = wallet(("promo", 100))
    lot = w.lots.get()
    lapse(lot)
    assert expire(lot) == 100
    with nothing_changes(w):
        assert expire(lot) == 0


def test_lot_that_has_not_expired_does_not_lapse():
    w = wallet(("promo", 100), ("pack", 10))
    soon = timezone.now() + timedelta(hours=1)
    Lot.objects.filter(kind="promo").update(expires_at=soon)
    for lot in w.lots.all():
        with nothing_changes(w):
            assert expire(lot) == 0


def test_expire_refuses_a_key_that_was_used_for_something_else():
    w = wallet(("promo", 100))
    lot = w.lots.get()
    grant(w, 1, key=f"expire:{lot.pk}")
    lapse(lot)
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        expire(lot)


def test_unknown_lot_is_refused():
    with pytest.raises(Lot.DoesNotExist):
        expire(Lot(pk=10**9))
    with pytest.raises(Lot.DoesNotExist):
        lapse_idle(Lot(pk=10**9))


def test_allowance_begins_and_ends_exactly():
    """Months are granted ahead; each can be spent only in its own period."""
    w = wallet()
    first = timezone.now() + timedelta(days=1)
    months = [first + timedelta(days=30 * n) for n in range(4)]
    for n, (begins, ends) in enumerate(pairwise(months)):
        grant(
            w,
            100 + n,
            kind="allowance",
            source=f"month:{n}",
            effective_at=begins,
            expires_at=ends,
        )
    assert spendable(w) == 0
    with pytest.raises(InsufficientCredits):
        reserve(w, 1)
    shift(w, timedelta(days=1) + SECOND)
    assert spendable(w) == 100
    shift(w, timedelta(days=30) - 20 * SECOND)
    assert spendable(w) == 100
    shift(w, 20 * SECOND)
    assert spendable(w) == 101
    held = reserve(w, 50)
    assert list(held.slices.values_list("lot__source", "amount")) == [("month:1", 50)]
    assert expire(w.lots.get(source="month:0")) == 100
    assert expire(w.lots.get(source="month:1")) == 0
    assert expire(w.lots.get(source="month:2")) == 0
    shown = summary(w)
    assert (shown["balance"], shown["reserved"], shown["total_granted"]) == (
        51,
        50,
        101,
    )
    assert violations() == {}


def test_a_month_that_was_granted_too_late_lapses_at_once():
    w = wallet()
    over = timezone.now() - timedelta(days=1)
    begun = over - timedelta(days=30)
    grant(w, 100, kind="allowance", effective_at=begun, expires_at=over)
    assert spendable(w) == 0
    assert expire(w.lots.get()) == 100
    assert violations() == {}


def test_month_that_begins_on_a_leap_day():
    """A month from 29 February 2028 to 29 March, checked before and after both ends."""
    begins = datetime(2028, 2, 29, tzinfo=UTC)
    ends = datetime(2028, 3, 29, tzinfo=UTC)
    now = timezone.now()
    for moment, credits in (
        (begins - SECOND, 0),
        (begins, 100),
        (datetime(2028, 3, 1, tzinfo=UTC), 100),
        (ends - 20 * SECOND, 100),
        (ends, 0),
    ):
        w = wallet()
        grant(w, 100, kind="allowance", effective_at=begins, expires_at=ends)
        shift(w, moment - now)
        assert spendable(w) == credits, moment
        assert expire(w.lots.get()) == (100 if moment >= ends else 0)


# --- a year without activity -------------------------------------------------------------


def idle(days: float, **fields) -> tuple[Wallet, Lot]:
    """A wallet with a promotional lot that was granted and last used so long ago."""
    w = wallet()
    grant(w, 100, **({"kind": "promo"} | fields))
    shift(w, timedelta(days=days))
    return w, w.lots.get()


def test_promotional_credits_lapse_after_a_year():
    w, lot = idle(365)
    assert lapse_idle(lot) == 100
    assert lots(w) == [("promo", 0, 0, 0, 100)]
    posted = LedgerTransaction.objects.latest("seq")
    day = (w.last_activity_at + IDLE).date()
    assert (posted.kind, posted.key) == ("expire", f"inactivity:{lot.pk}:{day}")
    assert posted.reason == "Not used for 365 days"
    lot.refresh_from_db()
    assert lot.expires_at
    assert lot.expires_at <= timezone.now()
    with nothing_changes(w):
        assert lapse_idle(lot) == 0
    assert violations() == {}


def test_promotional_credits_do_not_lapse_before_a_year():
    w, lot = idle(365 - 20 / 86_400)
    with nothing_changes(w):
        assert lapse_idle(lot) == 0
    shift(w, 20 * SECOND)
    assert lapse_idle(lot) == 100


def test_a_year_with_a_leap_day_has_365_days_too():
    """Last used on 1 March 2027: it lapses on 29 February 2028, not on 1 March."""
    w, lot = idle(0)
    now = timezone.now()
    Wallet.objects.filter(pk=w.pk).update(
        last_activity_at=datetime(2027, 3, 1, tzinfo=UTC)
    )
    Lot.objects.filter(pk=lot.pk).update(effective_at=datetime(2027, 1, 1, tzinfo=UTC))
    shift(w, datetime(2028, 2, 28, 23, 59, 40, tzinfo=UTC) - now)
    assert lapse_idle(lot) == 0
    shift(w, 20 * SECOND)
    assert lapse_idle(lot) == 100


@pytest.mark.parametrize(
    "fields", [{"kind": "pack"}, {"lapses": False}, {"kind": "allowance"}]
)
def test_purchased_and_exempt_lots_never_lapse_unused(fields):
    w, lot = idle(4000, **fields)
    with nothing_changes(w):
        assert lapse_idle(lot) == 0


def test_capture_and_purchase_restart_the_year():
    w, lot = idle(364)
    reserve(w, 10)
    capture(1)
    shift(w, timedelta(days=364))
    assert lapse_idle(lot) == 0
    grant(w, 5, is_activity=True)
    shift(w, timedelta(days=364))
    assert lapse_idle(lot) == 0
    shift(w, timedelta(days=1))
    assert lapse_idle(lot) == 90


def test_a_renewed_plan_is_a_purchase_and_a_gift_is_not():
    w, lot = idle(364)
    grant(w, 5, kind="promo")
    shift(w, timedelta(days=1))
    first, gift = w.lots.order_by("id")
    assert lapse_idle(gift) == 0  # it is a day old
    assert lapse_idle(first) == 100
    w, lot = idle(364)
    grant(w, 5, kind="allowance", is_activity=True)
    shift(w, timedelta(days=1))
    assert lapse_idle(lot) == 0


@pytest.mark.parametrize(
    ("options", "is_activity"),
    [
        ({"store": Store.STRIPE}, True),
        ({"store": Store.OPERATOR}, False),
        ({"store": Store.STRIPE, "is_trial": True}, False),
    ],
)
def test_only_paid_plans_are_activity(options, is_activity):
    workspace = subscriber()
    w = wallet_of(workspace, "PRODUCTION")
    shift(w, timedelta(days=30))
    before = w.last_activity_at
    start(workspace, **options)
    w.refresh_from_db()
    assert (w.last_activity_at > before) == is_activity


def test_sold_pack_is_activity():
    w = wallet_of(subscriber(), "PRODUCTION")
    shift(w, timedelta(days=30))
    before = w.last_activity_at
    pack = Pack.objects.get(key="credit_pack_1hr")
    with transaction.atomic():
        purchases.sell(w, pack, store=Store.STRIPE, external_id="pay_1")
    w.refresh_from_db()
    assert w.last_activity_at - before > timedelta(days=29)


def test_credits_held_while_their_lot_lapses_lapse_on_release():
    w, lot = idle(365)
    reserve(w, 30)
    assert lapse_idle(lot) == 70
    assert release() == 30
    assert lots(w) == [("promo", 0, 0, 0, 100)]
    assert columns(w) == (0, 0, 0)
    assert violations() == {}


def test_lapse_refuses_a_key_that_was_used_for_something_else():
    w, lot = idle(365)
    day = (w.last_activity_at + IDLE).date()
    grant(w, 1, kind="promo", key=f"inactivity:{lot.pk}:{day}")
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        lapse_idle(lot)
