"""What is left of a purchase can be moved to another wallet, once."""

import pytest
from django.db import transaction

from billing import ledger
from billing.models import Lot, Wallet
from tests.billing import factories

pytestmark = pytest.mark.django_db


def move(source: str, to: Wallet, key: str = "move") -> int:
    with transaction.atomic():
        return ledger.move(source, to, key=key, reason="Test")


def bought(credits: int, source: str, **fields) -> Wallet:
    made = factories.wallet()
    factories.grant(made, credits, source=source, **fields)
    return made


def test_available_credits_move_and_the_rest_stays():
    giver, taker = bought(1_000, "purchase:1"), factories.wallet()
    factories.reserve(giver, 300)
    factories.capture(100)
    assert move("purchase:1", taker) == 700
    assert factories.columns(giver) == (0, 200, 100)
    assert factories.lots(taker) == [("pack", 700, 0, 0, 0)]
    with factories.nothing_changes(giver), factories.nothing_changes(taker):
        assert move("purchase:1", taker) == 0
    factories.release()
    assert move("purchase:1", taker) == 200, "what came back since"
    assert factories.lots(taker) == [("pack", 700, 0, 0, 0), ("pack", 200, 0, 0, 0)]
    sources = ["purchase:1~1", "purchase:1~2"]
    assert ledger.moved_lots("purchase:1", "PRODUCTION") == sources
    assert factories.violations() == {}


def test_credits_that_came_back_from_a_refund_move_too():
    giver, taker = bought(1_000, "purchase:2"), factories.wallet()
    factories.refund("purchase:2", 400)
    factories.reverse("purchase:2")
    assert move("purchase:2", taker) == 1_000
    assert factories.columns(giver) == (0, 0, 0)
    assert factories.columns(taker) == (1_000, 0, 0)
    assert factories.violations() == {}


def test_moved_credits_repay_the_debt_of_the_receiver_and_leave_none():
    giver, taker = bought(1_000, "purchase:3"), factories.owing(400)
    assert move("purchase:3", taker) == 1_000
    taker.refresh_from_db()
    giver.refresh_from_db()
    assert (taker.available, taker.debt) == (600, 0)
    assert (giver.available, giver.debt) == (0, 0)
    assert factories.violations() == {}


def test_a_month_moves_with_its_end_and_not_after_it():
    giver, taker = bought(1_000, "allowance:4", kind="allowance"), factories.wallet()
    assert move("allowance:4", taker) == 1_000
    ends = Lot.objects.get(wallet=giver).expires_at
    assert Lot.objects.get(wallet=taker).expires_at == ends
    over = bought(1_000, "allowance:5", kind="allowance")
    factories.lapse(Lot.objects.get(wallet=over))
    with factories.nothing_changes(over), factories.nothing_changes(taker):
        assert move("allowance:5", taker) == 0


@pytest.mark.parametrize("kind", ["promo", "adjust"])
def test_what_was_not_bought_stays(kind):
    giver, taker = bought(1_000, "gift:6", kind=kind), factories.wallet()
    with factories.nothing_changes(giver), factories.nothing_changes(taker):
        assert move("gift:6", taker) == 0
        assert move("purchase:nothing", taker) == 0


def test_credits_stay_in_their_environment():
    giver = bought(1_000, "purchase:7")
    sandbox = factories.wallet(environment="SANDBOX")
    with factories.nothing_changes(giver), factories.nothing_changes(sandbox):
        assert move("purchase:7", sandbox) == 0
