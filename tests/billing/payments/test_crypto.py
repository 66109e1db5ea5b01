"""NOWPayments and BTCPay Server: read again before they count, and never twice."""

import random
from contextlib import ExitStack
from typing import Any

import pytest
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import GatewayFailed, GatewayOff
from billing.ledger.wallets import wallet_of
from billing.models import InboxEvent, Order
from billing.payments.gateways import registry
from billing.payments.gateways.contract import Callback
from tests.billing import factories
from tests.billing.payments.counterparts import (
    FAULTS,
    BTCPayServer,
    BTCPayTestStore,
    NOWPaymentsSandbox,
    NOWPaymentsServer,
    at,
    checkout,
    deliver,
    due,
    is_impatient,
    posted_by_a_look,
    review_of,
)
from tests.billing.payments.paying import events, granted, order, process, send
from tests.factories import api, token, user, workspace
from tests.providers.vendors.server import Fault, serving
from tests.threads import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]

_SHOPS = {
    "nowpayments": (NOWPaymentsServer, NOWPaymentsSandbox),
    "btcpay": (BTCPayServer, BTCPayTestStore),
}


@pytest.fixture(params=_SHOPS)
def shops(request, settings):
    """The two servers of a gateway: of production, and of the sandbox."""
    with ExitStack() as stack:
        made = [stack.enter_context(serving(kind())) for kind in _SHOPS[request.param]]
        for shop in made:
            shop.configure(settings)
        yield made


@pytest.fixture
def shop(shops):
    return shops[0]


def test_a_page_to_pay_at_is_made_at_the_gateway(shops):
    for shop in shops:
        bought = at(shop)
        page = checkout(bought)
        assert page.id in page.url
        body = shop.asked[-1].json
        of = body["metadata"]["orderId"] if "metadata" in body else body["order_id"]
        amount = body.get("amount") or str(body["price_amount"])
        assert (of, amount) == (str(bought.pk), "2.99")


def test_the_whole_path_through_the_api(shop):
    buyer = user()
    client = api(token(buyer))
    answer = client.post(
        "/api/v1/checkout",
        {"product": "credit_pack_1hr", "gateway": shop.gateway},
        content_type="application/json",
    )
    assert answer.status_code == 201
    assert answer.json()["redirect_url"].startswith(shop.url)
    url = f"/api/v1/orders/{answer.json()['order_id']}"
    assert client.get(url).json()["status"] == "pending"
    deliver(shop.gateway, shop.bought(Order.objects.get())[1])
    assert client.get(url).json()["status"] == "paid"
    assert granted(workspace(buyer)) == [("pack", 25_000)]


def test_plans_are_not_sold_for_crypto(shop):
    seller = registry.seller(shop.gateway, Environment.PRODUCTION)
    for product, is_sold in (("plus", False), ("credit_pack_1hr", True)):
        assert (
            seller.sells(at(shop, product).product, Environment.PRODUCTION) is is_sold
        )


def test_a_gateway_without_keys_is_off(settings, offers):
    for name in _SHOPS:
        for environment in Environment:
            with pytest.raises(GatewayOff):
                registry.seller(name, environment)
        answer = send(Callback({}, b"{}"), name)
        assert (answer.status_code, answer.json()["code"]) == (503, "gateway_off")


@pytest.mark.slow("hundreds of callbacks")
def test_every_event_fifty_times_at_once_grants_once(shop):
    bought = at(shop)
    money_id, callbacks = shop.bought(bought)

    def flood():
        queue = callbacks * 5
        random.shuffle(queue)
        return {send(callback, shop.gateway).status_code for callback in queue}

    assert in_threads(10, flood) == [{200}] * 10
    assert sum(in_threads(4, process)) == len(callbacks)
    assert granted(bought.workspace) == [("pack", 25_000)]
    assert InboxEvent.objects.count() == len(callbacks)
    bought.refresh_from_db()
    assert (bought.status, bought.money_id) == ("paid", money_id)
    assert factories.violations() == {}


@pytest.mark.slow("twenty orders")
def test_twenty_random_orders_of_events_have_one_result(shop):
    results = set()
    for seed in range(20):
        bought = at(shop)
        money_id, callbacks = shop.bought(bought)
        deliver(shop.gateway, callbacks, copies=2, seed=seed)
        bought.refresh_from_db()
        assert bought.money_id == money_id
        results.add((bought.status, bought.review, *granted(bought.workspace)))
    assert results == {("paid", "", ("pack", 25_000))}
    assert set(InboxEvent.objects.values_list("status", flat=True)) == {"completed"}


def test_a_sandbox_copy_of_a_payment_is_separate(shops):
    production, sandbox = shops
    bought = at(production)
    copy = at(sandbox, workspace=bought.workspace)
    production.number = sandbox.number = 1_000
    for shop, of in ((production, bought), (sandbox, copy)):
        _, callbacks = shop.bought(of)
        for callback in callbacks:
            send(callback, shop.gateway)
    process()
    bought.refresh_from_db()
    copy.refresh_from_db()
    assert bought.money_id == copy.money_id
    for environment in Environment:
        assert granted(bought.workspace, environment) == [("pack", 25_000)]


def test_a_sandbox_payment_does_not_pay_a_production_order(shops):
    _, sandbox = shops
    bought = order(store=sandbox.gateway)
    _, callbacks = sandbox.bought(bought)
    send(callbacks[-1], sandbox.gateway)
    process()
    error = f"The order {bought.pk} is of {sandbox.gateway}, PRODUCTION."
    assert events() == [("failed", "", error)]
    assert review_of(bought) == ("pending", "")


def test_an_order_is_paid_though_its_callbacks_are_lost(shop):
    bought = at(shop)
    assert posted_by_a_look(bought) == ""
    _, callbacks = shop.bought(bought)
    if isinstance(shop, NOWPaymentsServer):
        # Payments of an invoice can't be listed, so the first callback has to arrive.
        shop.payments[shop.number]["payment_status"] = "waiting"
        send(callbacks[0], shop.gateway)
        process()
        assert posted_by_a_look(bought) == "ignored: The payment is waiting."
        shop.payments[shop.number]["payment_status"] = "finished"
    assert posted_by_a_look(bought) == "paid: 25,000 credits"
    for callback in callbacks:
        send(callback, shop.gateway)
    process()
    assert granted(bought.workspace) == [("pack", 25_000)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failing_gateway_grants_nothing_and_loses_nothing(shop, fault, monkeypatch):
    is_impatient(monkeypatch)
    bought = at(shop)
    _, callbacks = shop.bought(bought)
    shop.fault = fault
    with pytest.raises(GatewayFailed):
        checkout(bought)
    assert send(callbacks[-1], shop.gateway).status_code == 200  # it calls nobody
    process()
    [(status, result, error)] = events()
    assert (status, result) == ("queued", "")
    assert error.startswith("The gateway did not answer: ")
    with pytest.raises(GatewayFailed):
        posted_by_a_look(bought)
    assert granted(bought.workspace) == []
    shop.fault = None
    due()
    process()
    assert events() == [("completed", "paid: 25,000 credits", "")]
    assert granted(bought.workspace) == [("pack", 25_000)]


@pytest.mark.parametrize(
    "wrong",
    [None, "x", -1, True, float("nan"), [], {}],
    ids=["null", "text", "negative", "boolean", "nan", "list", "object"],
)
def test_nonsense_in_any_field_grants_nothing(shop, wrong):
    bought = at(shop)
    money_id, callbacks = shop.bought(bought)
    rows = shop.payments if shop.gateway == "nowpayments" else shop.invoices
    [key] = [one for one in rows if str(one) == money_id]
    whole = dict(rows[key])
    read = {
        "nowpayments": (
            *("payment_id", "payment_status", "price_amount", "price_currency"),
            *("pay_amount", "actually_paid", "order_id"),
        ),
        "btcpay": ("id", "status", "amount", "currency", "metadata", "paidAmount"),
    }[shop.gateway]
    for field in read:
        rows[key] = whole | {field: wrong}
        InboxEvent.objects.all().delete()
        send(callbacks[-1], shop.gateway)
        process()
        is_granted = granted(bought.workspace) != []
        # What was paid beyond the price may be left out; nothing else may.
        assert not is_granted or (shop.gateway, field) == ("btcpay", "paidAmount")
    rows[key] = whole
    InboxEvent.objects.update(status="queued", ready_at=timezone.now(), settled_at=None)
    process()
    posted_by_a_look(bought)
    assert granted(bought.workspace) == [("pack", 25_000)]


def test_refunded_credits_that_were_spent_are_a_debt_that_the_next_purchase_repays(
    shop,
):
    bought = at(shop)
    money_id, callbacks = shop.bought(bought)
    wallet = wallet_of(bought.workspace, "PRODUCTION")
    deliver(shop.gateway, callbacks)
    factories.reserve(wallet, 30_000)
    factories.capture(30_000)
    back = shop.paid_back(money_id)
    deliver(shop.gateway, [*callbacks, back], copies=3)
    wallet.refresh_from_db()
    assert (wallet.available, wallet.debt) == (0, 25_000)
    again = at(shop, "credit_pack_5hr", workspace=bought.workspace)
    deliver(shop.gateway, shop.bought(again)[1])
    wallet.refresh_from_db()
    assert (wallet.available, wallet.debt) == (100_000, 0)
    assert factories.violations() == {}


def test_what_was_paid_too_much_is_granted_once_and_reviewed(shop):
    bought = at(shop)
    if isinstance(shop, NOWPaymentsServer):
        number = shop.pay(bought, actually_paid=0.0001)
        callback, sums = shop.told(number), "0.0001 of 0.00005678 BTC"
    else:
        invoice = shop.pay(bought, "Settled", "PaidOver", paidAmount="5.00")
        callback, sums = shop.told(invoice), "5.00 of 2.99 USD"
    deliver(shop.gateway, [callback], copies=2)
    assert review_of(bought) == ("paid", f"Paid too much: {sums}.")
    assert granted(bought.workspace) == [("pack", 25_000)]


def test_an_order_that_is_paid_by_two_payments_is_granted_once_and_reviewed(shop):
    bought = at(shop)
    _, first = shop.bought(bought)
    again, second = shop.bought(bought)
    deliver(shop.gateway, first)
    deliver(shop.gateway, second)
    assert review_of(bought) == ("paid", f"Paid again: {again}.")
    assert granted(bought.workspace) == [("pack", 25_000)]


def test_a_price_other_than_the_order_s_is_reviewed(shop):
    bought = at(shop)
    money_id, callbacks = shop.bought(bought)
    Order.objects.filter(pk=bought.pk).update(amount=300)
    deliver(shop.gateway, callbacks[-1:])
    review = f"299 USD were paid for 300 USD: {money_id}."
    assert review_of(bought) == ("pending", review)
    assert granted(bought.workspace) == []


def test_an_invoice_of_somebody_else_is_ignored(shop):
    bought = at(shop)
    _, callbacks = shop.bought(bought)
    if isinstance(shop, NOWPaymentsServer):
        shop.payments[shop.number]["order_id"] = "shop-17"
    else:
        [invoice] = shop.invoices.values()
        invoice["metadata"] = {"orderId": "shop-17"}
    deliver(shop.gateway, callbacks[-1:])
    assert events() == [("completed", "ignored: It is for no order of ours.", "")]
    assert granted(bought.workspace) == []


def test_a_callback_that_is_ahead_of_the_gateway_waits(shop):
    bought = at(shop)
    _, callbacks = shop.bought(bought)
    rows = shop.payments if shop.gateway == "nowpayments" else shop.invoices
    [row] = rows.values()
    name = "payment_status" if shop.gateway == "nowpayments" else "status"
    final = row[name]
    row[name] = "sending" if shop.gateway == "nowpayments" else "Processing"
    deliver(shop.gateway, callbacks[-1:])
    assert events()[0][0] == "queued"
    row[name] = final
    due()
    process()
    assert events() == [("completed", "paid: 25,000 credits", "")]


@pytest.mark.parametrize(
    "change",
    [
        lambda call, name: Callback({}, call.body),
        lambda call, name: Callback({name: ""}, call.body),
        lambda call, name: Callback(call.headers, call.body.replace(b"2", b"3", 1)),
        lambda call, name: Callback(call.headers, call.body[:-1]),
        lambda call, name: Callback({name: call.headers[name][:-1] + "é"}, call.body),
        lambda call, name: Callback(call.headers, b"[" * 100_000),
    ],
    ids=["none", "empty", "body", "short", "letters", "deep"],
)
def test_a_wrong_signature_stores_nothing(shop, change):
    callback = shop.bought(at(shop))[1][-1]
    [name] = callback.headers
    answer = send(change(callback, name), shop.gateway)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert events() == []


def test_a_signed_body_that_cannot_be_read_is_refused(shop):
    bodies: list[Any] = [1, {}, {"type": 1, "deliveryId": {}}, {"payment_id": {}}, "x"]
    for told in bodies:
        answer = send(shop.signed(told), shop.gateway)
        assert (answer.status_code, answer.json()["code"]) == (
            400,
            "malformed_callback",
        )
    assert events() == []


def test_a_redirect_is_not_followed(shop):
    bought = at(shop)
    shop.fault = Fault.REDIRECT
    with pytest.raises(GatewayFailed):
        checkout(bought)
    assert len(shop.asked) == 1
