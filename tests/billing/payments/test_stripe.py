"""Stripe's local counterpart: every event repeated, reordered and lost makes one ledger."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import GatewayFailed, InvalidSignature
from billing.ledger.wallets import wallet_of
from billing.models import InboxEvent, Order, Pack, Plan, Store, Subscription
from billing.payments import inbox, orders
from billing.payments.gateways.contract import Unprocessable
from billing.payments.gateways.stripe import signing
from billing.payments.gateways.stripe.gateway import EVENTS, Stripe
from kit.http import Limits, session
from tests import factories
from tests.billing.factories import violations
from tests.billing.payments import stripe_server
from tests.billing.payments.paying import events, granted, process, send
from tests.billing.payments.test_inbox import due
from tests.cases import cases
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stripe(settings, offers):
    settings.DEVELOPMENT = False
    settings.STRIPE_SECRET_KEY = stripe_server.LIVE
    settings.STRIPE_SECRET_KEY_TEST = stripe_server.TEST
    settings.STRIPE_WEBHOOK_SECRET = stripe_server.SECRETS[True]
    settings.STRIPE_WEBHOOK_SECRET_TEST = stripe_server.SECRETS[False]
    Plan.objects.filter(key="studio").update(stripe_price="price_studio")
    with stripe_server.running() as server:
        settings.STRIPE_BASE_URL = server.url
        yield server


@pytest.fixture
def ada():
    return factories.user("ada@example.com")


def buy(person, product="credit_pack_1hr", **token) -> Order:
    """Place an order by the API and return it, with its session at Stripe."""
    answer = factories.api(factories.token(person, **token)).post(
        "/api/v1/checkout",
        {"product": product, "gateway": "stripe"},
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.json()
    return Order.objects.get(pk=answer.json()["order_id"])


def deliver(server, *told) -> None:
    """Send events, by default all of them once in their order, and post them."""
    for event in told or server.events:
        assert send(server.callback(event), "stripe").status_code == 200
    settle()


def settle() -> None:
    """Post what is due, also what waits, until nothing changes."""
    for _ in range(6):
        process()
        due()


def balance(person, environment="PRODUCTION") -> int:
    wallet = wallet_of(factories.workspace(person), environment)
    return wallet.available - wallet.debt - 5_000


def problems() -> list[tuple[str, str]]:
    rows = InboxEvent.objects.exclude(status="completed").order_by("pk")
    return list(rows.values_list("type", "error"))


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
        for callback in stripe.unruly(seed):
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


def test_a_plan_with_a_trial_is_renewed_mended_and_ended(stripe, ada):
    order = buy(ada, "plus")
    stripe.pay(order.checkout_id)
    deliver(stripe)
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.store_account[:4]) == ("trialing", "cus_")
    assert granted(order.workspace) == [("allowance", 900_000)]
    order.refresh_from_db()
    assert (order.status, order.paid_amount, order.subscription) == (
        "paid",
        0,
        subscription,
    )
    stripe.renew(subscription.external_id, is_paid=False)
    deliver(stripe)
    subscription.refresh_from_db()
    assert subscription.status == "trialing", "the trial goes on to its end"
    stripe.mend(subscription.external_id)
    deliver(stripe)
    assert subscription.periods.count() == 2
    renewal = Order.objects.get(kind="renewal")
    assert (renewal.paid_amount, renewal.subscription) == (299, subscription)
    stripe.cancel(subscription.external_id, at_period_end=False)
    deliver(stripe)
    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert problems() == []
    assert violations() == {}


def test_a_second_plan_has_no_second_trial(stripe, ada):
    first = buy(ada, "plus")
    stripe.pay(first.checkout_id)
    subscription = stripe.objects[first.checkout_id]["subscription"]
    stripe.cancel(subscription, at_period_end=False)
    deliver(stripe)
    second = buy(ada, "plus")
    stripe.pay(second.checkout_id)
    deliver(stripe)
    second.refresh_from_db()
    assert second.paid_amount == 299
    assert Subscription.objects.get(orders=second).status == "active"


def test_an_upgrade_grants_its_difference_when_it_is_paid(stripe, ada):
    order = buy(ada, "plus_yearly")
    stripe.pay(order.checkout_id)
    deliver(stripe)
    subscription = Subscription.objects.get()
    stripe.change(subscription.external_id, "price_studio", 500, is_paid=False)
    deliver(stripe)
    subscription.refresh_from_db()
    assert (subscription.plan.key, subscription.status) == ("plus_yearly", "past_due")
    assert granted(order.workspace) == [("allowance", 900_000)]
    stripe.mend(subscription.external_id)
    deliver(stripe)
    subscription.refresh_from_db()
    assert (subscription.plan.key, subscription.periods.count()) == ("studio", 1)
    assert granted(order.workspace) == [
        ("allowance", 900_000),
        ("allowance", 4_100_000),
    ]


def test_a_plan_that_replaces_another_is_reviewed(stripe, ada):
    first, second = buy(ada, "plus_yearly"), buy(ada, "studio_yearly")
    for order in (first, second):
        stripe.pay(order.checkout_id)
    deliver(stripe)
    second.refresh_from_db()
    old = stripe.objects[first.checkout_id]["subscription"]
    assert second.review == (
        f"It replaced Plus, yearly, which Stripe still bills as {old}."
    )


def test_the_sandbox_is_test_mode_and_nothing_else(stripe, ada, settings):
    order = buy(ada, environment="SANDBOX")
    assert order.checkout_id.startswith("cs_test_")
    stripe.pay(order.checkout_id)
    deliver(stripe)
    assert (balance(ada, "SANDBOX"), balance(ada)) == (25_000, 0)
    # A key of the other mode counts as none.
    settings.STRIPE_SECRET_KEY = stripe_server.TEST
    assert not Stripe().is_on(Environment.PRODUCTION)
    # An event of one mode that is signed with the secret of the other is no event.
    settings.STRIPE_WEBHOOK_SECRET = stripe_server.SECRETS[False]
    settings.STRIPE_WEBHOOK_SECRET_TEST = ""
    answer = send(stripe.callback(stripe.events[0]), "stripe")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_callback")


def test_signatures():
    body, secret, now = b'{"id": 1}', "whsec_a", int(time.time())
    good = signing.sign(body, secret, now)
    mac = good.partition(",")[2]
    signing.verify(body, good, secret)
    signing.verify(body, f"t={now},v1=old,{mac},v0=x", secret)  # while it is changed
    signing.verify(body, signing.sign(body, secret, now - 299), secret)
    wrong = [
        "",
        mac,
        f"t={now}",
        f"t={now - 1},{mac}",
        f"t={now},{mac[:-1]}",
        f"t=x{now},{mac}",
        f"t=٣,{mac}",
        f"t={now},v0={mac[3:]}",
        signing.sign(body, "whsec_b", now),
        signing.sign(b"{}", secret, now),
        signing.sign(body, secret, now - 301),
        signing.sign(body, secret, now + 301),
    ]
    for header, case in cases(wrong):
        with case, pytest.raises(InvalidSignature):
            signing.verify(body, header, secret)


def faults():
    def slow(request) -> bool:
        time.sleep(1.0)
        return False

    def answering(status: int, body: bytes):
        def fault(request) -> bool:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
            return True

        return fault

    def hang_up(request) -> bool:
        request.close_connection = True
        return True

    return {
        "down": answering(500, b"{}"),
        "busy": answering(429, b"{}"),
        "no JSON": answering(200, b"<html>"),
        "redirect": answering(302, b""),
        "refused key": answering(401, b"{}"),
        "hangs up": hang_up,
        "slow": slow,
    }


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
    from billing.models import Refund

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
    monkeypatch.setattr("billing.payments.gateways.stripe.api._PER_PAGE", 2)
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
