from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from billing.ledger.wallets import spendable, summary, wallet_of
from billing.models import Lot, Wallet
from tests.billing.factories import capture, grant, lapse, reserve, wallet

pytestmark = pytest.mark.django_db


def test_wallet_is_created_once():
    workspace = Workspace.objects.create(name="Test")
    first = wallet_of(workspace, "PRODUCTION")
    assert wallet_of(workspace, "PRODUCTION") == first
    sandbox = wallet_of(workspace, "SANDBOX")
    assert sandbox != first
    assert (sandbox.workspace, sandbox.environment) == (workspace, "SANDBOX")


def test_summary_of_an_empty_wallet():
    w = wallet()
    assert summary(w) == {
        "customer_id": str(w.workspace_id),
        "balance": 0,
        "total_granted": 0,
        "total_consumed": 0,
        "reserved": 0,
        "debt": 0,
        "next_expiry": None,
    }
    assert spendable(w) == 0


def test_summary_of_used_and_held_credits():
    w = wallet(("promo", 50), ("pack", 100))
    reserve(w, 70)
    capture(30)
    assert summary(w) == {
        "customer_id": str(w.workspace_id),
        "balance": 80,
        "total_granted": 150,
        "total_consumed": 30,
        "reserved": 40,
        "debt": 0,
        "next_expiry": None,
    }
    assert spendable(w) == 80


def test_credits_that_cannot_be_spent_are_not_counted():
    w = wallet(("promo", 10), ("promo", 20), ("pack", 30))
    lapsed, future, _ = w.lots.order_by("id")
    lapse(lapsed)
    Lot.objects.filter(pk=future.pk).update(
        effective_at=timezone.now() + timedelta(hours=1),
        expires_at=timezone.now() + timedelta(hours=2),
    )
    shown = summary(w)
    assert (shown["balance"], shown["total_granted"], shown["next_expiry"]) == (
        30,
        30,
        None,
    )
    assert spendable(w) == 30


def test_next_expiry_sums_lots_that_expire_together():
    w = wallet(("pack", 100))
    soon, late = (timezone.now() + timedelta(days=days) for days in (3, 9))
    for credits, at in ((5, late), (10, soon), (20, soon)):
        grant(w, credits, kind="promo", expires_at=at)
    assert summary(w)["next_expiry"] == {"credits": 30, "at": soon}
    reserve(w, 30)
    assert summary(w)["next_expiry"] == {"credits": 5, "at": late}


def test_debt_makes_the_balance_negative_but_not_spendable():
    w = wallet(("pack", 10))
    Wallet.objects.filter(pk=w.pk).update(debt=25, granted=-15)
    shown = summary(w)
    assert (shown["balance"], shown["debt"], shown["total_granted"]) == (-15, 25, -15)
    assert spendable(w) == 0


def test_a_summary_takes_one_query(django_assert_num_queries):
    w = wallet(("pack", 10), ("promo", 10))
    with django_assert_num_queries(1):
        summary(w)
