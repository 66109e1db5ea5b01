"""Placing orders by the API, and what happens while a gateway is silent."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Membership
from billing.errors import GatewayFailed
from billing.models import Order, Pack, Store
from billing.payments import orders
from billing.payments.gateways.contract import Buyer, Checkout, Money, NotPaid, Paid
from billing.payments.gateways.demo import Demo
from tests import factories
from tests.billing.payments.paying import granted, order, paid, process, send
from tests.billing.subscribers import start

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]
WANTED = {"product": "credit_pack_1hr", "gateway": "demo"}


def checkout(api, body=WANTED, key="one"):
    return api.post(
        "/api/v1/checkout",
        body,
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def test_a_pack_is_bought_through_the_api(settings):
    settings.BASE_URL = "https://speech.example.com"
    ada = factories.user()
    api = factories.api(factories.token(ada))
    answer = checkout(api)
    placed = Order.objects.get()
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "order_id": str(placed.pk),
            "redirect_url": f"https://speech.example.com/demo-pay/{placed.pk}",
        },
    )
    url = f"/api/v1/orders/{placed.pk}"
    shown = api.get(url).json()
    assert (shown["status"], shown["paid"], shown["amount"]) == ("pending", None, 299)
    assert shown["redirect_url"] == answer.json()["redirect_url"]
    send(paid(placed))
    process()
    shown = api.get(url).json()
    assert {name: shown[name] for name in ("status", "paid", "product")} == {
        "status": "paid",
        "paid": 299,
        "product": "credit_pack_1hr",
    }
    assert (shown["redirect_url"], shown["is_in_review"]) == ("", False)
    assert granted(placed.workspace) == [("pack", 25_000)]
    listed = api.get("/api/v1/orders").json()["results"]
    assert [one["id"] for one in listed] == [str(placed.pk)]
    again = checkout(api)
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == {"order_id": str(placed.pk), "redirect_url": ""}


def test_a_gateway_that_fails_is_asked_again_for_the_same_order(monkeypatch):
    api = factories.api(factories.token())
    asked = []

    def fail(self, order):
        asked.append(order.pk)
        raise GatewayFailed("TimedOut")

    with monkeypatch.context() as patched:
        patched.setattr(Demo, "checkout", fail)
        answer = checkout(api)
        assert (answer.status_code, answer.json()["code"]) == (502, "gateway_failed")
    answer = checkout(api)
    assert (answer.status_code, answer.json()["order_id"]) == (201, str(asked[0]))
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"product": "gone"}, 400, "unknown_product"),
        ({"gateway": "gone"}, 503, "gateway_off"),
        ({"gateway": "revenuecat"}, 503, "gateway_off"),
        ({"gateway": ""}, 400, "invalid"),
        ({"product": "credit_pack_1hr\0"}, 400, "malformed_json"),
    ],
)
def test_a_refused_order_is_not_placed(body, status, code):
    answer = checkout(factories.api(factories.token()), WANTED | body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Order.objects.exists()


def test_what_is_no_longer_offered_is_not_sold():
    Pack.objects.update(is_offered=False)
    answer = checkout(factories.api(factories.token()))
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_product")


def test_the_demo_is_off_outside_of_development(settings):
    settings.DEVELOPMENT = False
    answer = checkout(factories.api(factories.token()))
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_off")
    assert not Order.objects.exists()


def test_only_owners_and_admins_buy():
    bob = factories.user()
    team = factories.team(factories.user(), bob)
    api = factories.api(factories.token(bob, workspace=team))
    for call in (lambda: checkout(api), lambda: api.get("/api/v1/orders")):
        assert call().json()["code"] == "permission_denied"
    assert not Order.objects.exists()
    Membership.objects.filter(user=bob, workspace=team).update(role="admin")
    assert checkout(api, key="two").status_code == 201


def test_a_plan_that_a_store_bills_is_changed_there():
    ada = factories.user()
    start(factories.workspace(ada), "plus")
    answer = checkout(
        factories.api(factories.token(ada)), {"product": "studio", "gateway": "demo"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "subscription_in_store")
    assert not Order.objects.exists()


def test_an_order_of_the_sandbox_pays_the_sandbox_only():
    token = factories.token(environment="SANDBOX")
    assert checkout(factories.api(token)).status_code == 201
    placed = Order.objects.get()
    assert placed.environment == "SANDBOX"
    send(paid(placed))
    process()
    assert granted(placed.workspace, "SANDBOX") == [("pack", 25_000)]
    assert granted(placed.workspace) == []


def test_a_silent_gateway_is_asked_about_pending_orders(monkeypatch):
    lost, open_, expired, broken = (order(look_up_at=timezone.now()) for _ in range(4))
    later = order(look_up_at=timezone.now() + timedelta(minutes=1))
    asked = []

    def look_up(self, order):
        asked.append(order.pk)
        if order.pk == broken.pk:
            raise GatewayFailed("TimedOut")
        money = Money(id="demo_1", amount=299, currency="USD")
        return {
            lost.pk: [
                Paid(store=Store.DEMO, buyer=Buyer(order_id=order.pk), money=money)
            ],
            expired.pk: [NotPaid(store=Store.DEMO, order_id=order.pk, is_expired=True)],
        }.get(order.pk, [])

    monkeypatch.setattr(Demo, "look_up", look_up)
    assert orders.look_up_pending() == 4
    assert set(asked) == {lost.pk, open_.pk, expired.pk, broken.pk}
    assert [
        Order.objects.get(pk=one.pk).status
        for one in (lost, open_, expired, broken, later)
    ] == ["paid", "pending", "expired", "pending", "pending"]
    assert granted(lost.workspace) == [("pack", 25_000)]
    assert orders.look_up_pending() == 0, "the next look is later"
    week = timedelta(days=9)
    Order.objects.filter(pk=open_.pk).update(
        created_at=timezone.now() - week, look_up_at=timezone.now()
    )
    assert orders.look_up_pending() == 1
    assert Order.objects.get(pk=open_.pk).look_up_at is None, "the last look"


def test_a_page_to_pay_at_is_stored_once(monkeypatch):
    placed = order()
    made = iter(Checkout(f"cs_{number}", f"https://x/{number}") for number in (1, 2))
    monkeypatch.setattr(Demo, "checkout", lambda self, order: next(made))
    assert orders.pay_page(placed) == "https://x/1"
    assert orders.pay_page(Order.objects.get()) == "https://x/1"


def test_an_unknown_order_is_not_found():
    api = factories.api(factories.token())
    assert api.get(f"/api/v1/orders/{uuid.uuid4()}").status_code == 404
