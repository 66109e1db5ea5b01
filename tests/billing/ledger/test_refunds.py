"""Refunds, reversals of refunds, and adjustments."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.utils import timezone

from billing.errors import (
    InsufficientCredits,
    LedgerKeyReused,
    NotGranted,
    NotRefundable,
    NotRefunded,
    TooEarly,
)
from billing.ledger.wallets import summary
from billing.models import LedgerTransaction, Wallet
from tests.billing.factories import (
    adjust,
    capture,
    columns,
    entries,
    expire,
    grant,
    lapse,
    nothing_changes,
    owing,
    refund,
    release,
    reserve,
    reverse,
    violations,
    wallet,
)

pytestmark = pytest.mark.django_db


def bought(credits: int = 100, spent: int = 0, held: int = 0, **fields) -> Wallet:
    """A wallet with one purchase from the source `buy`, part of it used."""
    w = wallet()
    grant(w, credits, source="buy", **fields)
    if spent:
        reserve(w, spent, key="spent:1")
        capture(spent, "scene:spent", "spent:1")
    if held:
        reserve(w, held)
    return w


def purse(w: Wallet) -> tuple[int, int, int, int]:
    w.refresh_from_db()
    return w.available, w.reserved, w.debt, w.granted


# --- refund ------------------------------------------------------------------------------


def test_unused_credits_are_taken_from_their_lot():
    w = bought()
    grant(w, 50)
    assert refund("buy", 30, reason="Asked for", actor="op@example.com") == 30
    lot = w.lots.get(source="buy")
    assert (lot.available, lot.revoked, lot.repaid) == (70, 30, 0)
    assert purse(w) == (120, 0, 0, 120)
    assert entries(w)[-2:] == [
        ("refund", "available", -30, 120),
        ("refund", "refund", 30, 120),
    ]
    posted = LedgerTransaction.objects.get(key="refund")
    assert (posted.reason, posted.actor) == ("Asked for", "op@example.com")
    assert violations() == {}


def test_spent_credits_become_a_debt():
    w = bought(spent=80)
    assert refund("buy", 100) == 100
    lot = w.lots.get()
    assert (lot.available, lot.consumed, lot.revoked, lot.repaid) == (0, 80, 100, -80)
    assert purse(w) == (0, 0, 80, 0)
    assert entries(w)[-4:] == [
        ("refund", "available", -20, 0),
        ("refund", "refund", 20, 0),
        ("refund", "debt", -80, -80),
        ("refund", "refund", 80, -80),
    ]
    assert summary(w) == {
        "customer_id": str(w.workspace_id),
        "balance": -80,
        "total_granted": 0,
        "total_consumed": 80,
        "reserved": 0,
        "debt": 80,
        "next_expiry": None,
    }
    assert violations() == {}


def test_reservations_keep_their_credits_and_new_ones_are_refused():
    w = bought(held=60)
    assert refund("buy", 100) == 100
    assert purse(w) == (0, 60, 60, 0)
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        reserve(w, 1, key="job:2:1")
    assert refusal.value.params == {"needed": 1, "available": 0}
    capture(20)
    assert release() == 40  # goes into the debt
    assert purse(w) == (0, 0, 20, 0)
    assert violations() == {}


@pytest.mark.parametrize(
    ("granted", "part", "taken"),
    [
        (25_000, Fraction(299, 299), 25_000),
        (25_000, Fraction(100, 299), 8_361),
        (5, Fraction(1, 2), 3),  # half up
        (7, Fraction(1, 3), 2),
        (1000, Fraction(1, 3), 333),
    ],
)
def test_share_of_the_price_takes_that_share_of_the_credits(granted, part, taken):
    w = bought(granted)
    assert refund("buy", part) == taken
    assert columns(w) == (granted - taken, 0, 0)


def test_refunds_together_take_no_more_than_was_granted():
    w = bought(spent=10)
    assert refund("buy", Fraction(2, 3), key="first") == 67
    assert refund("buy", Fraction(2, 3), key="second") == 33
    with nothing_changes(w):
        assert refund("buy", Fraction(1), key="third") == 0
    assert purse(w) == (0, 0, 10, 0)
    assert violations() == {}


def test_a_refund_happens_once_per_key():
    w = bought(spent=50)
    assert refund("buy", 70) == 70
    with nothing_changes(w):
        assert refund("buy", 70) == 70


@pytest.mark.parametrize("part", [71, Fraction(7, 10), Fraction(1)])
def test_a_refund_refuses_a_key_for_something_else(part):
    w = bought()
    refund("buy", 1 if part == 1 else 70)
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        refund("buy", part)


def test_a_refund_refuses_the_key_of_another_posting():
    w = bought(key="k")
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        refund("buy", 70, key="k")


@pytest.mark.parametrize("environment", ["PRODUCTION", "SANDBOX"])
def test_refund_before_its_grant_is_refused_and_can_be_retried(environment):
    """The caller retries it; it never takes credits of the other environment."""
    other = "SANDBOX" if environment == "PRODUCTION" else "PRODUCTION"
    elsewhere = wallet(environment=other)
    grant(elsewhere, 100, source="buy")
    with nothing_changes(elsewhere), pytest.raises(TooEarly) as refusal:
        refund("buy", 100, environment=environment)
    assert isinstance(refusal.value, NotGranted)
    assert (refusal.value.code, refusal.value.status) == ("not_granted", 409)
    w = wallet(environment=environment)
    grant(w, 100, source="buy")
    assert refund("buy", 100, environment=environment) == 100
    assert columns(w) == (0, 0, 0)
    assert columns(elsewhere) == (100, 0, 0)


@pytest.mark.parametrize("kind", ["promo", "adjust"])
def test_only_purchases_are_refunded(kind):
    w = bought(kind=kind)
    with nothing_changes(w), pytest.raises(NotRefundable):
        refund("buy", 10)


@pytest.mark.parametrize("part", [0, -1, Fraction(0), Fraction(-1, 2), Fraction(3, 2)])
def test_a_refund_refuses_impossible_parts(part):
    w = bought()
    with nothing_changes(w), pytest.raises(ValueError, match="refund"):
        refund("buy", part)


def test_allowance_is_refunded_without_lapsed_credits():
    w = bought(spent=30, kind="allowance")
    lot = w.lots.get()
    lapse(lot)
    assert expire(lot) == 70
    assert refund("buy", 100) == 30
    assert purse(w) == (0, 0, 30, 0)
    assert violations() == {}


# --- debt --------------------------------------------------------------------------------


@pytest.mark.parametrize(("credits", "left"), [(30, (0, 50)), (200, (120, 0))])
def test_a_purchase_repays_the_debt_first(credits, left):
    w = owing(80)
    grant(w, credits, key="k", source="buy")
    w.refresh_from_db()
    assert (w.available, w.debt) == left
    repaid = min(credits, 80)
    assert entries(w)[-4:] == [
        ("grant", "funding", -credits, -80),
        ("grant", "available", credits, credits - 80),
        ("grant", "available", -repaid, credits - 80 - repaid),
        ("grant", "debt", repaid, credits - 80),
    ]
    lot = w.lots.get(source="buy")
    assert (lot.available, lot.repaid) == (credits - repaid, repaid)
    assert violations() == {}


@pytest.mark.parametrize("kind", ["allowance", "promo"])
def test_gifts_repay_no_debt_but_cannot_be_spent_against_it(kind):
    w = owing(80)
    grant(w, 100, kind=kind)
    assert purse(w) == (100, 0, 80, 100)
    with pytest.raises(InsufficientCredits) as refusal:
        reserve(w, 21)
    assert refusal.value.params == {"needed": 21, "available": 20}
    reserve(w, 20)
    assert violations() == {}


def test_credits_blocked_by_a_debt_repay_it_when_they_lapse():
    w = owing(80)
    grant(w, 100, kind="allowance")
    lot = w.lots.get(kind="allowance")
    reserve(w, 20)
    lapse(lot)
    assert expire(lot) == 80
    assert purse(w) == (0, 20, 0, 100)
    assert release() == 20
    lot.refresh_from_db()
    assert (lot.repaid, lot.expired) == (80, 20)
    assert violations() == {}


def test_credits_released_after_expiry_repay_before_they_lapse():
    w = wallet(("allowance", 100))
    reserve(w, 50)
    adjust(w, -80, allow_debt=True)
    assert purse(w) == (0, 50, 30, 20)
    lapse(w.lots.get())
    assert release() == 50
    lot = w.lots.get()
    assert (lot.repaid, lot.expired, lot.adjusted) == (30, 20, 50)
    assert purse(w) == (0, 0, 0, 0)
    assert violations() == {}


def test_credits_released_to_a_pack_repay_and_to_an_allowance_do_not():
    w = wallet(("allowance", 30))
    grant(w, 50, source="spent")
    grant(w, 100)
    reserve(w, 80, key="spent:1")  # the allowance and the first pack
    capture(80, "scene:spent", "spent:1")
    grant(w, 40, kind="allowance")
    reserve(w, 100)  # 40 allowance, 60 of the pack
    refund("spent", 50)
    assert purse(w) == (40, 100, 50, 170)
    capture(10)
    assert release() == 90
    assert entries(w)[-6:] == [
        ("release", "reserved", -30, -10),
        ("release", "available", 30, 20),
        ("release", "reserved", -50, 20),
        ("release", "debt", 50, 70),
        ("release", "reserved", -10, 70),
        ("release", "available", 10, 80),
    ]
    assert purse(w) == (80, 0, 0, 170)
    assert violations() == {}


def test_pack_that_repaid_a_debt_can_be_refunded():
    w = owing(80)
    grant(w, 100, source="buy")
    assert refund("buy", 100) == 100
    assert purse(w) == (0, 0, 80, 0)
    assert violations() == {}


# --- reverse -----------------------------------------------------------------------------


def test_reversed_refund_repays_the_debt_first():
    w = bought(spent=60)
    refund("buy", 100)
    assert purse(w) == (0, 0, 60, 0)
    posted = reverse("buy", reason="Dispute won")
    assert (posted.kind, posted.key, posted.reason) == (
        "reverse",
        "reverse:refund",
        "Dispute won",
    )
    assert purse(w) == (40, 0, 0, 100)
    refunded = LedgerTransaction.objects.get(key="refund")
    lot = w.lots.latest("id")
    assert (lot.kind, lot.granted, lot.available, lot.repaid) == ("pack", 100, 40, 60)
    assert lot.source == f"reversal:{refunded.pk}"
    assert lot.restores == w.lots.get(source="buy")
    assert violations() == {}


def test_a_reversal_happens_once():
    w = bought()
    refund("buy", 100)
    first = reverse("buy")
    with nothing_changes(w):
        assert reverse("buy") == first


def test_a_reversal_refuses_a_key_that_was_used_for_something_else():
    w = bought()
    refund("buy", 100)
    grant(w, 1, key="reverse:refund")
    with nothing_changes(w), pytest.raises(LedgerKeyReused):
        reverse("buy")


def test_reversal_without_a_refund_is_refused():
    w = bought()
    grant(w, 10, source="other")
    refund("other", 5)
    for source in ("buy", "nothing"):
        with nothing_changes(w), pytest.raises(NotRefunded) as refusal:
            reverse(source)
        assert isinstance(refusal.value, TooEarly)
    assert refusal.value.code == "not_refunded"
    with pytest.raises(NotRefunded):
        reverse("other", environment="SANDBOX")


def test_reversed_credits_can_be_refunded_again():
    w = bought(spent=30)
    refund("buy", 100, key="failed")
    reverse("buy", "failed")
    assert refund("buy", 100, key="again") == 100
    assert purse(w) == (0, 0, 30, 0)
    reverse("buy", "again")
    assert purse(w) == (70, 0, 0, 100)
    assert refund("buy", Fraction(1, 2), key="half") == 50
    assert refund("buy", Fraction(1), key="rest") == 50
    assert purse(w) == (0, 0, 30, 0)
    assert violations() == {}


def test_reversed_allowance_keeps_its_term():
    ends = timezone.now() + timedelta(days=9)
    w = bought(kind="allowance", expires_at=ends)
    refund("buy", 40)
    reverse("buy")
    lot = w.lots.latest("id")
    assert (lot.kind, lot.available, lot.expires_at) == ("allowance", 40, ends)


# --- adjust ------------------------------------------------------------------------------


def test_an_operator_adds_credits():
    w = owing(30)
    posted = adjust(w, 100, reason="Apology")
    assert (posted.kind, posted.reason, posted.actor) == (
        "adjust",
        "Apology",
        "op@example.com",
    )
    lot = w.lots.latest("id")
    assert (lot.kind, lot.available, lot.repaid, lot.expires_at) == (
        "adjust",
        70,
        30,
        None,
    )
    assert purse(w) == (70, 0, 0, 100)
    assert violations() == {}


def test_an_operator_takes_credits_in_the_order_of_drawing():
    w = wallet(("pack", 10), ("promo", 10), ("allowance", 10))
    adjust(w, -25)
    assert list(w.lots.order_by("id").values_list("available", "adjusted")) == [
        (5, 5),
        (0, 10),
        (0, 10),
    ]
    assert purse(w) == (5, 0, 0, 5)
    assert violations() == {}


def test_taking_more_than_available_needs_allow_debt():
    w = wallet(("promo", 10))
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        adjust(w, -25)
    assert refusal.value.params == {"needed": 25, "available": 10}
    adjust(w, -25, allow_debt=True)
    assert purse(w) == (0, 0, 15, -15)
    assert entries(w)[-2:] == [
        ("adjust", "debt", -15, -15),
        ("adjust", "adjust", 15, -15),
    ]
    assert violations() == {}


def test_debt_reduces_what_can_be_taken():
    w = owing(80)
    grant(w, 100, kind="allowance")
    with nothing_changes(w), pytest.raises(InsufficientCredits) as refusal:
        adjust(w, -21)
    assert refusal.value.params == {"needed": 21, "available": 20}


def test_lapsed_credits_cannot_be_taken():
    w = wallet(("promo", 10), ("pack", 5))
    lapse(w.lots.get(kind="promo"))
    with nothing_changes(w), pytest.raises(InsufficientCredits):
        adjust(w, -6)


def test_an_adjustment_happens_once_per_key():
    w = wallet(("pack", 100))
    for credits in (40, -40):
        first = adjust(w, credits, key=f"k{credits}")
        with nothing_changes(w):
            assert adjust(w, credits, key=f"k{credits}") == first
        for other in ({"credits": credits + 1}, {"allow_debt": True}):
            fields: dict[str, Any] = {"credits": credits, "key": f"k{credits}"}
            with nothing_changes(w), pytest.raises(LedgerKeyReused):
                adjust(w, **(fields | other))


def test_adjustment_key_works_in_one_wallet_only():
    first, second = wallet(), wallet()
    adjust(first, 10)
    with nothing_changes(second), pytest.raises(LedgerKeyReused):
        adjust(second, 10)


@pytest.mark.parametrize("fields", [{"actor": " "}, {"reason": ""}, {"ticket": " "}])
def test_adjustment_needs_actor_reason_and_ticket(fields):
    w = wallet(("pack", 100))
    with nothing_changes(w), pytest.raises(ValueError, match="needs an actor"):
        adjust(w, 10, **fields)


@pytest.mark.parametrize("credits", [0, 10**12 + 1, -(10**12) - 1])
def test_an_adjustment_refuses_impossible_amounts(credits):
    w = wallet(("pack", 100))
    with nothing_changes(w), pytest.raises(ValueError, match="an adjustment has"):
        adjust(w, credits)


def test_rare_verbs_take_few_round_trips(django_assert_max_num_queries):
    w = bought(spent=40)
    for n in range(20):
        grant(w, 10, kind="promo", key=f"g{n}")
    lot = w.lots.filter(kind="promo").earliest("id")
    with django_assert_max_num_queries(10):
        refund("buy", 100)
    with django_assert_max_num_queries(14):
        reverse("buy")
    with django_assert_max_num_queries(10):
        adjust(w, -150)
    lapse(lot)
    with django_assert_max_num_queries(10):
        expire(lot)


def test_credits_released_after_a_full_refund_can_be_adjusted_not_refunded():
    """The lot holds more than was granted to it, less what was taken back."""
    w = bought(held=60)
    refund("buy", 100)
    grant(w, 60, source="pays the debt")
    assert purse(w) == (0, 60, 0, 60)
    release()
    assert purse(w) == (60, 0, 0, 60)
    with nothing_changes(w):
        assert refund("buy", 100, key="again") == 0
    adjust(w, -50)
    lot = w.lots.get(source="buy")
    assert (lot.available, lot.revoked, lot.adjusted, lot.repaid) == (10, 100, 50, -60)
    with nothing_changes(w):
        assert refund("buy", 100, key="again") == 0
    assert violations() == {}
