"""Events repeated, reordered and lost, and a Stripe that fails, make one ledger."""

import pytest
from django.utils import timezone

from billing.errors import GatewayFailed
from billing.models import InboxEvent, Order, Subscription
from billing.payments import orders
from kit.http import Limits, session
from tests import factories
from tests.billing.factories import violations
from tests.billing.payments.paying import events, granted, process, send
from tests.billing.payments.stripe.shop import (
    balance,
    buy,
    deliver,
    faults,
    problems,
    settle,
)
from tests.billing.payments.test_inbox import due
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def live(server, person) -> None:
    """Let a customer do everything that a customer can do."""
    pack, free = buy(person), buy(person, "credit_pack_5hr")
    server.pay(pack.checkout_id)
    server.pay(free.checkout_id, discount=1_199)
    intent = server.objects[pack.checkout_id]["payment_intent"]
    failed = server.refund(intent, 100)
    server.fail_refund(failed["id"])
    server.refund(intent, 99)
    dispute = server.dispute(intent)
    server.close_dispute(dispute["id"], "won")
    inquiry = server.dispute(intent, "warning_needs_response")
    server.close_dispute(inquiry["id"], "warning_closed")
    plan = buy(person, "studio_yearly")
    server.pay(plan.checkout_id)
    subscription = server.objects[plan.checkout_id]["subscription"]
    server.change(subscription, "price_studio", 500)
    server.cancel(subscription, at_period_end=True)


def ledger(person) -> tuple:
    """Return what must not depend on the order of events."""
    workspace = factories.workspace(person)
    plan = Subscription.objects.get(workspace=workspace)
    paid = Order.objects.filter(workspace=workspace)
    return (
        balance(person),
        sorted(paid.values_list("status", "kind", "paid_amount", "refunded")),
        (plan.status, plan.plan.key, plan.cancel_at_period_end, plan.periods.count()),
    )


@pytest.mark.slow("twenty orders of some thirty events, each posted")
def test_events_in_any_order_and_number_make_one_ledger(stripe):
    found = []
    for seed in range(20):
        stripe.events.clear()
        InboxEvent.objects.all().delete()
        person = factories.user()
        live(stripe, person)
        for callback in stripe.unruly(seed, copies=1 + seed % 2):
            assert send(callback, "stripe").status_code == 200
            if seed % 2:
                process()  # one after the other, instead of all at once
        settle()
        assert problems() == []
        found.append(ledger(person))
    assert found == [found[0]] * 20
    assert found[0] == (
        25_000 - 8_278 + 125_000 + 5_000_000,
        [
            ("paid", "checkout", 0, 0),
            ("paid", "checkout", 299, 99),
            ("paid", "checkout", 14_990, 0),
            ("paid", "renewal", 500, 0),
        ],
        ("active", "studio", True, 1),
    )
    assert violations() == {}


@pytest.mark.slow("every event fifty times, by ten connections")
def test_every_event_fifty_times_in_parallel_makes_one_ledger(stripe, ada):
    live(stripe, ada)
    sent = stripe.unruly(1, copies=50)
    waiting = iter(sent)

    def send_and_post() -> None:
        while callback := next(waiting, None):
            assert send(callback, "stripe").status_code == 200
            if callback.body[-40] % 16 == 0:
                process()

    in_threads(8, send_and_post)
    for _ in range(6):
        in_threads(4, process)
        due()
    assert len(events()) == len(stripe.events)
    assert problems() == []
    assert ledger(ada)[0] == 25_000 - 8_278 + 125_000 + 5_000_000
    assert violations() == {}


@pytest.mark.parametrize("name", faults())
def test_a_stripe_that_fails_loses_nothing(stripe, ada, name, monkeypatch):
    """At each call: the page to pay at, reading an event again, the look-up."""
    quick = Limits(connect=0.3, first_byte=0.3, quiet=0.3, total=0.3)
    monkeypatch.setattr(session, "LIMITS", quick)
    monkeypatch.setattr(session.session, "__defaults__", (quick,))
    stripe.fault = faults()[name]
    api = factories.api(factories.token(ada))

    def checkout():
        return api.post(
            "/api/v1/checkout",
            {"product": "plus_yearly", "gateway": "stripe"},
            content_type="application/json",
            headers={"Idempotency-Key": "one"},
        )

    answer = checkout()
    assert (answer.status_code, answer.json()["code"]) == (502, "gateway_failed")
    stripe.fault = None
    order = Order.objects.get(pk=checkout().json()["order_id"])
    stripe.pay(order.checkout_id)
    stripe.fault = faults()[name]
    deliver(stripe)
    assert granted(order.workspace) == []
    assert {kind for kind, _ in problems()} == {
        "invoice.paid",
        "customer.subscription.created",
    }
    with pytest.raises(GatewayFailed):
        orders.look_up(order)
    stripe.fault = None
    settle()
    assert problems() == []
    assert granted(order.workspace) == [("allowance", 900_000)]
    assert (
        len(
            [
                one
                for one in stripe.objects.values()
                if one["object"] == "checkout.session"
            ]
        )
        == 1
    )


def test_lost_callbacks_are_made_up_for_by_looking_up(stripe, ada):
    pack, plan, open_ = buy(ada), buy(ada, "plus_yearly"), buy(ada)
    stripe.pay(pack.checkout_id)
    stripe.pay(plan.checkout_id)
    Order.objects.update(look_up_at=timezone.now())
    assert orders.look_up_pending() == 3
    assert sorted(granted(pack.workspace)) == [("allowance", 900_000), ("pack", 25_000)]
    open_.refresh_from_db()
    assert open_.status == "pending"
    deliver(stripe)  # late after all
    assert sorted(granted(pack.workspace)) == [("allowance", 900_000), ("pack", 25_000)]


def test_the_way_back_looks_at_once(stripe, ada):
    order = buy(ada)
    stripe.pay(order.checkout_id)
    page = factories.browser(ada).get(f"/orders/{order.pk}?back", follow=True)
    assert "25,000 credits are in your account." in page.content.decode()
