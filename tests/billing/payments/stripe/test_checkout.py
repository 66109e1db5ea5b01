"""Packs are bought by card, with tax, discounts and slow methods, in both modes."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from accounts.caller import Environment
from billing.models import InboxEvent, Pack, Refund, Store
from billing.payments import inbox
from billing.payments.gateways.contract import Unprocessable
from billing.payments.gateways.stripe.gateway import EVENTS, Stripe
from tests import factories
from tests.billing.payments.paying import events, granted, process, send
from tests.billing.payments.stripe.account import SECRETS, TEST
from tests.billing.payments.stripe.shop import (
    balance,
    buy,
    deliver,
    problems,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pack_is_bought(stripe, ada, settings):
    settings.BASE_URL = "https://speech.example.com"
    order = buy(ada)
    assert order.checkout_url == f"{stripe.url}/pay/{order.checkout_id}"
    session = stripe.objects[order.checkout_id]
    assert session["amount_total"] == 299
    stripe.pay(order.checkout_id)
    deliver(stripe)
    order.refresh_from_db()
    assert (order.status, order.paid_amount, order.money_id) == (
        "paid",
        299,
        session["payment_intent"],
    )
    assert granted(order.workspace) == [("pack", 25_000)]
    assert problems() == []
    assert "s3cr3t" not in "".join(InboxEvent.objects.values_list("body", flat=True))
    # The second purchase is of the same customer.
    buy(ada, "credit_pack_5hr")
    assert stripe.calls.count("POST customers") == 1


def test_tax_and_a_promotion_code_are_on_the_receipt(stripe, ada, settings):
    settings.STRIPE_AUTOMATIC_TAX = True
    stripe.tax = 20
    order = buy(ada)
    stripe.pay(order.checkout_id, discount=99)
    deliver(stripe)
    order.refresh_from_db()
    assert order.amounts == [
        ("25,000 credits", "2.99 USD"),
        ("Discount", "-0.99 USD"),
        ("Tax", "0.40 USD"),
        ("Paid", "2.40 USD"),
    ]
    assert balance(ada) == 25_000


def test_a_free_order_counts_as_paid(stripe, ada):
    order = buy(ada)
    stripe.pay(order.checkout_id, discount=299)
    deliver(stripe)
    order.refresh_from_db()
    assert (order.status, order.paid_amount, order.money_id) == (
        "paid",
        0,
        order.checkout_id,
    )
    assert balance(ada) == 25_000


@pytest.mark.parametrize("fails", [False, True])
def test_a_slow_method_grants_when_it_has_arrived(stripe, ada, fails):
    order = buy(ada)
    stripe.pay(order.checkout_id, is_slow=True)
    deliver(stripe)
    assert balance(ada) == 0
    stripe.arrive(order.checkout_id, fails=fails)
    deliver(stripe)
    order.refresh_from_db()
    assert order.status == ("failed" if fails else "paid")
    assert balance(ada) == (0 if fails else 25_000)


def test_an_expired_page_can_be_followed_by_a_new_order(stripe, ada):
    order = buy(ada)
    stripe.expire(order.checkout_id)
    deliver(stripe)
    order.refresh_from_db()
    assert order.status == "expired"
    assert buy(ada).pk != order.pk


def test_the_sandbox_is_test_mode_and_nothing_else(stripe, ada, settings):
    order = buy(ada, environment="SANDBOX")
    assert order.checkout_id.startswith("cs_test_")
    stripe.pay(order.checkout_id)
    deliver(stripe)
    assert (balance(ada, "SANDBOX"), balance(ada)) == (25_000, 0)
    # A key of the other mode counts as none.
    settings.STRIPE_KEYS = {"PRODUCTION": TEST, "SANDBOX": TEST}
    assert not Stripe().is_on(Environment.PRODUCTION)
    # An event of one mode that is signed with the secret of the other is no event.
    settings.STRIPE_HOOK_SECRETS = {"PRODUCTION": SECRETS[False], "SANDBOX": ""}
    answer = send(stripe.callback(stripe.events[0]), "stripe")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_callback")


def test_events_of_others_are_ignored(stripe, ada):
    """One account can serve several shops."""
    order = buy(ada)
    for name in ("metadata", "_intent_metadata"):
        stripe.objects[order.checkout_id][name] = {}
    stripe.pay(order.checkout_id)
    deliver(stripe)
    assert problems() == []
    assert balance(ada) == 0
    kept = [event for event in events() if "ignored" in event[1]]
    assert len(kept) == len(stripe.events)


def test_what_is_not_as_documented_is_kept_for_operators(stripe):
    event = {
        "id": "evt_1",
        "object": "event",
        "livemode": True,
        "type": "checkout.session.completed",
        "data": {"object": {"id": "cs_1"}},
    }
    assert send(stripe.callback(event), "stripe").status_code == 200
    process()
    assert problems() == [
        ("checkout.session.completed", "It is not as documented: KeyError('metadata').")
    ]


def test_the_portal_is_for_those_who_have_paid(stripe, ada):
    assert Stripe().portal(factories.workspace(ada), Environment.PRODUCTION) == ""
    buy(ada)
    page = Stripe().portal(factories.workspace(ada), Environment.PRODUCTION)
    assert page == f"{stripe.url}/portal"


def test_a_refund_that_we_ask_for_is_made_once(stripe, ada):
    order = buy(ada)
    stripe.pay(order.checkout_id)
    deliver(stripe)
    order.refresh_from_db()
    refund = Refund.objects.create(order=order, amount=100)
    first, second = Stripe().refund(refund), Stripe().refund(refund)
    assert first == second
    made = [one for one in stripe.objects.values() if one["object"] == "refund"]
    assert [one["amount"] for one in made] == [100]
    with pytest.raises(Unprocessable, match="charge_already_refunded"):
        Stripe().refund(Refund.objects.create(order=order, amount=299))


def test_payments_and_missed_events_are_listed(stripe, ada, monkeypatch):
    monkeypatch.setattr("billing.payments.gateways.stripe.calls._PER_PAGE", 2)
    pack, plan = buy(ada), buy(ada, "plus_yearly")
    stripe.pay(pack.checkout_id)
    stripe.pay(plan.checkout_id)
    intent = stripe.objects[pack.checkout_id]["payment_intent"]
    stripe.refund(intent, 100)
    stripe._succeed(stripe._intent(5, "usd", "cus_other", {}, True))
    now = datetime.now(UTC)
    span = (now - timedelta(days=1), now + timedelta(minutes=1))
    listed = list(Stripe().payments(Environment.PRODUCTION, *span))
    assert sorted((one.amount, one.refunded, one.is_ours) for one in listed) == [
        (5, 0, False),
        (299, 100, True),
        (2_990, 0, True),
    ]
    assert list(Stripe().payments(Environment.SANDBOX, *span)) == []
    ours = [event["id"] for event in stripe.events if event["type"] in EVENTS]
    since = now - timedelta(days=1)
    missed = list(Stripe().missed(Environment.PRODUCTION, since, set(ours[:3])))
    assert sorted(notice.event_id for notice, _ in missed) == sorted(ours[3:])
    for _, body in missed:
        assert json.loads(body)["object"] == "event"


def test_prices_of_stripe_are_used_where_they_are_known(stripe, ada):
    Pack.objects.filter(key="credit_pack_1hr").update(stripe_price="price_pack")
    stripe.objects["price_pack"] = {
        "id": "price_pack",
        "object": "price",
        "livemode": True,
        "unit_amount": 250,
        "currency": "usd",
    }
    order = buy(ada)
    stripe.pay(order.checkout_id)
    deliver(stripe)
    order.refresh_from_db()
    # Ours says 2.99: an operator has changed only one of the two.
    assert order.review.startswith("250 USD were paid for 299 USD")
    assert balance(ada) == 0
    assert order.store == Store.STRIPE
    assert inbox.refused_today("stripe") == 0
