from datetime import timedelta

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from billing import ledger
from billing.errors import InsufficientCredits, LedgerKeyReused, ReservationExhausted
from billing.models import LedgerTransaction, Lot, Reservation, Split, Wallet
from tests.billing.factories import (
    capture,
    columns,
    entries,
    grant,
    lapse,
    lots,
    nothing_changes,
    release,
    reserve,
    violations,
    wallet,
)

pytestmark = pytest.mark.django_db


# --- reserve -----------------------------------------------------------------------------


def test_reserve_holds_credits():
    w = wallet(("pack", 100))
    deadline = timezone.now() + timedelta(minutes=5)
    held = reserve(w, 30, key="job:7:1", job="7", deadline=deadline)
    assert (held.amount, held.captured, held.released, held.left) == (30, 0, 0, 30)
    assert held.split == Split(0, 30)
    assert columns(w) == (70, 30, 0)
    assert lots(w) == [("pack", 70, 30, 0, 0)]
    assert entries(w)[2:] == [
        ("reserve", "available", -30, 70),
        ("reserve", "reserved", 30, 70),
    ]
    stored = Reservation.objects.get(key="job:7:1")
    assert stored == held
    assert (stored.job, stored.deadline, stored.left) == ("7", deadline, 30)
    assert stored.split == Split(0, 30)


def test_reserve_can_take_all_credits():
    w = wallet(("pack", 100))
    reserve(w, 100)
    assert columns(w) == (0, 100, 0)


def test_reserve_refuses_more_than_is_available():
    w = wallet(("pack", 100))
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        reserve(w, 101)
    assert refusal.value.params == {"needed": 101, "available": 100}
    assert refusal.value.status == 429
    assert refusal.value.code == "insufficient_credits"
    assert refusal.value.headers == {}
    assert str(refusal.value) == "This needs 101 credits; 100 are available."


@pytest.mark.parametrize("credits", [0, -5])
def test_reserve_needs_at_least_one_credit(credits):
    w = wallet(("pack", 100))
    with nothing_changes(w), pytest.raises(ValueError, match="at least one"):
        reserve(w, credits)


def test_reserve_draws_allowance_then_promotional_then_packs():
    w = wallet(("pack", 10), ("promo", 10), ("allowance", 10))
    assert reserve(w, 25).split == Split(subscription=10, credits=15)
    assert [(kind, held) for kind, _, held, _, _ in lots(w)] == [
        ("pack", 5),
        ("promo", 10),
        ("allowance", 10),
    ]


def test_reserve_draws_by_expiry_then_by_age():
    w = wallet()
    now = timezone.now()
    for source, days in (
        ("never", None),
        ("late", 20),
        ("soon", 10),
        ("late too", 20),
    ):
        expires = now + timedelta(days=days) if days else None
        grant(w, 10, kind="promo", source=source, expires_at=expires)
    held = reserve(w, 35)
    assert list(held.slices.values_list("lot__source", "amount")) == [
        ("soon", 10),
        ("late", 10),
        ("late too", 10),
        ("never", 5),
    ]


def test_packs_and_adjustments_are_drawn_by_age():
    w = wallet(("adjust", 10), ("pack", 10), ("adjust", 10))
    reserve(w, 15)
    assert [held for _, _, held, _, _ in lots(w)] == [10, 5, 0]


def test_reserve_draws_no_expired_or_future_lots():
    w = wallet(("promo", 10), ("promo", 20), ("pack", 30))
    lapsed, future, _ = w.lots.order_by("id")
    lapse(lapsed)
    Lot.objects.filter(pk=future.pk).update(
        effective_at=timezone.now() + timedelta(hours=1)
    )
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        reserve(w, 31)
    assert refusal.value.params == {"needed": 31, "available": 30}
    reserve(w, 30)
    assert [held for _, _, held, _, _ in lots(w)] == [0, 0, 30]


def test_debt_reduces_what_can_be_reserved():
    w = wallet(("pack", 100))
    Wallet.objects.filter(pk=w.pk).update(debt=40, granted=60)
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        reserve(w, 61)
    assert refusal.value.params == {"needed": 61, "available": 60}
    Wallet.objects.filter(pk=w.pk).update(debt=140, granted=-40)
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        reserve(w, 1)
    assert refusal.value.params == {"needed": 1, "available": 0}


def test_reserve_happens_once_per_key():
    w = wallet(("pack", 100))
    first = reserve(w, 60)
    with nothing_changes(w):
        again = reserve(w, 60)  # more than is left, but nothing is taken
    assert again == first
    assert again.split == Split(0, 60)


@pytest.mark.parametrize("other", [{"credits": 61}, {"job": "2"}])
def test_reserve_refuses_a_key_for_something_else(other):
    w = wallet(("pack", 200))
    reserve(w, 60)
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        reserve(w, **({"credits": 60} | other))


def test_reserve_refuses_the_key_of_another_wallet():
    first, second = wallet(("pack", 100)), wallet(("pack", 100))
    reserve(first, 60)
    with nothing_changes(second), pytest.raises(LedgerKeyReused):
        reserve(second, 60)


# --- capture -----------------------------------------------------------------------------


def test_capture_uses_slices_in_order_part_by_part():
    w = wallet(("allowance", 10), ("promo", 10), ("pack", 100))
    reserve(w, 30)
    assert capture(4, "scene:a:1") == Split(subscription=4, credits=0)
    assert capture(8, "scene:b:1") == Split(subscription=6, credits=2)
    assert capture(18, "scene:c:1") == Split(subscription=0, credits=18)
    assert columns(w) == (90, 0, 30)
    assert lots(w) == [
        ("allowance", 0, 0, 10, 0),
        ("promo", 0, 0, 10, 0),
        ("pack", 90, 0, 10, 0),
    ]
    assert Reservation.objects.get().left == 0
    assert violations() == {}


def test_capture_writes_what_was_used():
    w = wallet(("pack", 100))
    reserve(w, 30)
    capture(10)
    assert entries(w)[4:] == [
        ("capture", "reserved", -10, 70),
        ("capture", "usage", 10, 70),
    ]
    posted = LedgerTransaction.objects.get(kind="capture")
    assert posted.reservation == Reservation.objects.get()


def test_capture_happens_once_per_key():
    w = wallet(("allowance", 10), ("pack", 100))
    reserve(w, 30)
    first = capture(15)
    assert first == Split(subscription=10, credits=5)
    capture(10, "scene:2:1")
    with nothing_changes(w):
        assert capture(15) == first


def test_capture_refuses_a_key_for_something_else():
    w = wallet(("pack", 100))
    reserve(w, 30)
    reserve(w, 30, key="job:1:2")
    capture(10)
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        capture(11)
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        capture(10, reservation="job:1:2")
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        capture(10, "reserve:job:1:1")


def test_capture_refuses_more_than_is_left():
    w = wallet(("pack", 100))
    reserve(w, 30)
    capture(20)
    with nothing_changes(w), pytest.raises(ReservationExhausted) as refusal:
        capture(11, "scene:2:1")
    assert refusal.value.params == {"left": 10, "needed": 11}
    assert refusal.value.status == 409


def test_capture_after_release_is_refused():
    w = wallet(("pack", 100))
    reserve(w, 30)
    release()
    with nothing_changes(w), pytest.raises(ReservationExhausted):
        capture(1)


def test_capture_of_a_lapsed_lot_still_counts():
    w = wallet(("promo", 100))
    reserve(w, 30)
    lapse(w.lots.get())
    assert capture(30) == Split(0, 30)
    assert lots(w) == [("promo", 70, 0, 30, 0)]


def test_capture_of_0_credits_writes_nothing():
    w = wallet(("pack", 100))
    reserve(w, 30)
    with nothing_changes(w):
        assert capture(0) == Split(0, 0)


def test_capture_refuses_negative_credits():
    w = wallet(("pack", 100))
    reserve(w, 30)
    with nothing_changes(w), pytest.raises(ValueError, match="at least one"):
        capture(-1)


def test_capture_counts_as_activity():
    w = wallet(("promo", 100))
    reserve(w, 30)
    w.refresh_from_db()
    before = w.last_activity_at
    capture(1)
    w.refresh_from_db()
    assert w.last_activity_at > before


@pytest.mark.parametrize("action", [lambda: capture(1), release])
def test_unknown_reservation_is_refused(action):
    with pytest.raises(Reservation.DoesNotExist):
        action()


# --- release -----------------------------------------------------------------------------


def test_release_gives_back_what_was_not_captured():
    w = wallet(("allowance", 10), ("pack", 100))
    reserve(w, 30)
    capture(4)
    assert release() == 26
    assert columns(w) == (106, 0, 4)
    assert lots(w) == [("allowance", 6, 0, 4, 0), ("pack", 100, 0, 0, 0)]
    assert entries(w)[-4:] == [
        ("release", "reserved", -6, 80),
        ("release", "available", 6, 86),
        ("release", "reserved", -20, 86),
        ("release", "available", 20, 106),
    ]
    assert violations() == {}


def test_release_repeated_changes_nothing():
    w = wallet(("pack", 100))
    reserve(w, 30)
    capture(4)
    assert release() == 26
    with nothing_changes(w):
        assert release() == 26
        assert release(key="another") == 26


def test_release_after_full_capture_writes_nothing():
    w = wallet(("pack", 100))
    reserve(w, 30)
    capture(30)
    with nothing_changes(w):
        assert release() == 0


def test_release_moves_expired_credits_to_breakage():
    w = wallet(("promo", 20), ("pack", 100))
    reserve(w, 30)
    capture(5)
    lapse(w.lots.get(kind="promo"))
    assert release() == 25
    assert lots(w) == [("promo", 0, 0, 5, 15), ("pack", 100, 0, 0, 0)]
    assert columns(w) == (100, 0, 5)
    assert entries(w)[-4:] == [
        ("release", "reserved", -15, 90),
        ("release", "breakage", 15, 90),
        ("release", "reserved", -10, 90),
        ("release", "available", 10, 100),
    ]
    assert violations() == {}


def test_release_refuses_the_key_of_another_posting():
    w = wallet(("pack", 100))
    reserve(w, 30)
    capture(4, "scene:1:1")
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        release(key="scene:1:1")


# --- all verbs ---------------------------------------------------------------------------


def test_keys_are_unique_per_wallet():
    first, second = wallet(("pack", 10)), wallet(("pack", 10))
    reserve(first, 5, key="job:1:1")
    reserve(second, 5, key="job:2:1")
    capture(5, "same", "job:1:1")
    capture(5, "same", "job:2:1")
    assert columns(first) == columns(second) == (5, 0, 5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "action",
    [
        lambda w: ledger.grant(w, 1, key="k", kind="pack", source="s", reason=""),
        lambda w: ledger.reserve(w, 1, key="k", job="1", deadline=timezone.now()),
        lambda w: ledger.capture("job:1:1", 1, key="k"),
        lambda w: ledger.capture("job:1:1", 0, key="k"),
        lambda w: ledger.release("job:1:1"),
        lambda w: ledger.expire(w.lots.get().pk),
        lambda w: ledger.lapse(w.lots.get().pk),
        lambda w: ledger.adjust(w, 1, key="k", reason="R", actor="A", ticket="T"),
        lambda w: ledger.refund(
            w.lots.get().source, 1, environment=w.environment, key="k", reason="R"
        ),
        lambda w: ledger.reverse("s", "k", environment=w.environment, reason="R"),
    ],
    ids=[
        *("grant", "reserve", "capture", "capture of nothing", "release", "expire"),
        *("lapse", "adjust", "refund", "reverse"),
    ],
)
def test_a_verb_needs_an_open_transaction(action):
    w = wallet(("pack", 100))
    reserve(w, 10)
    with nothing_changes(w), pytest.raises(TransactionManagementError):
        action(w)


@pytest.mark.django_db(transaction=True)
def test_rollback_undoes_a_posting():
    w = wallet(("pack", 100))
    with nothing_changes(w), transaction.atomic():
        ledger.reserve(w, 10, key="k", job="1", deadline=timezone.now())
        ledger.capture("k", 4, key="s")
        ledger.release("k")
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_several_verbs_in_one_transaction():
    w = wallet(("pack", 100))
    with transaction.atomic():
        ledger.reserve(w, 10, key="k", job="1", deadline=timezone.now())
        ledger.capture("k", 4, key="s")
        ledger.capture("k", 3, key="t")
        assert ledger.release("k") == 3
    assert columns(w) == (93, 0, 7)
    assert violations() == {}


def test_a_verb_takes_few_round_trips(django_assert_num_queries):
    w = wallet(*[("promo", 10)] * 20)
    with django_assert_num_queries(3):
        ledger.reserve(w, 150, key="k", job="1", deadline=timezone.now())
    with django_assert_num_queries(3):
        ledger.capture("k", 75, key="s")
    with django_assert_num_queries(3):
        ledger.release("k")


def test_stale_reservations_are_open_and_past_their_deadline():
    w = wallet(("pack", 100))
    now = timezone.now()
    reserve(w, 10, key="late", deadline=now - timedelta(minutes=1))
    reserve(w, 10, key="later", deadline=now - timedelta(minutes=2))
    reserve(w, 10, key="done", deadline=now - timedelta(minutes=1))
    reserve(w, 10, key="in time", deadline=now + timedelta(minutes=1))
    release("done")
    assert [r.key for r in Reservation.objects.stale()] == ["later", "late"]
