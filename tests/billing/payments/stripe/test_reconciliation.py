"""Reconciliation finds planted differences, and nothing else."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from billing.models import Order, Reconciliation
from billing.payments import reconciliation
from billing.payments.gateways.stripe.gateway import EVENTS
from tests.billing.payments.stripe.shop import (
    balance,
    buy,
    deliver,
    faults,
    settle,
)
from tests.billing.payments.stripe.test_unruly import live

pytestmark = pytest.mark.django_db(transaction=True)


def run(*, days: int = 3) -> list[tuple[str, str]]:
    """Reconcile production; return kind and payment of each difference."""
    Reconciliation.objects.all().delete()
    call_command("reconcile", days=days)
    assert reconciliation.work() == 2
    row = Reconciliation.objects.get(environment="PRODUCTION")
    assert row.status == "completed", row.error
    return [(one["kind"], one["money_id"]) for one in row.differences]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Compare also what has just happened."""
    monkeypatch.setattr(reconciliation, "_SETTLED_AFTER", timedelta(seconds=-5))


def test_nothing_differs_after_a_whole_life(stripe, ada):
    live(stripe, ada)
    deliver(stripe)
    assert run() == []
    row = Reconciliation.objects.get(environment="PRODUCTION")
    assert (row.payments, row.recovered) == (3, 0)


def test_events_that_never_arrived_are_posted(stripe, ada):
    live(stripe, ada)
    assert run(), "not posted yet when it compared"
    recovered = Reconciliation.objects.get(environment="PRODUCTION").recovered
    assert recovered == sum(event["type"] in EVENTS for event in stripe.events)
    settle()
    assert run() == []
    assert balance(ada) == 25_000 - 8_278 + 125_000 + 5_000_000


def test_each_planted_difference_is_found(stripe, ada):
    lost, short, invented, refunded, fine = (buy(ada) for _ in range(5))
    for order in (lost, short, refunded, fine):
        stripe.pay(order.checkout_id)
    deliver(stripe)
    paid = {
        order.pk: Order.objects.get(pk=order.pk) for order in (lost, short, refunded)
    }
    Order.objects.filter(pk=lost.pk).update(
        status="failed", money_id="", paid_at=None, paid_amount=None
    )
    Order.objects.filter(pk=short.pk).update(paid_amount=200)
    Order.objects.filter(pk=invented.pk).update(
        status="paid", money_id="pi_no", paid_at=timezone.now(), paid_amount=299
    )
    charge = stripe.objects[paid[refunded.pk].money_id]["latest_charge"]
    stripe.objects[charge]["amount_refunded"] = 100
    stripe.events.clear()
    assert sorted(run()) == [
        ("another amount", paid[short.pk].money_id),
        ("another refund", paid[refunded.pk].money_id),
        ("granted, not paid", "pi_no"),
        ("paid, not granted", paid[lost.pk].money_id),
    ]


def test_a_payment_of_another_shop_is_none_of_ours(stripe):
    stripe._succeed(stripe._intent(5, "usd", "cus_other", {}, True))
    stripe.events.clear()
    assert run() == []


def test_a_gateway_that_fails_is_asked_again(stripe):
    stripe.fault = faults()["down"]
    call_command("reconcile")
    assert reconciliation.work() == 2
    assert set(Reconciliation.objects.values_list("status", "attempts")) == {
        ("queued", 1)
    }
    stripe.fault = None
    Reconciliation.objects.update(ready_at=timezone.now())
    reconciliation.work()
    assert set(Reconciliation.objects.values_list("status", "error")) == {
        ("completed", "")
    }


def test_gateways_that_are_off_are_not_asked(stripe, settings):
    settings.STRIPE_KEYS = {"PRODUCTION": "", "SANDBOX": ""}
    call_command("reconcile")
    assert not Reconciliation.objects.exists()
