"""Automatic top-ups: by the saved card, once, within the cap, off after a failure."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from billing.ledger.wallets import wallet_of
from billing.models import Order, TopUp
from billing.payments import top_ups
from kit.mail import outbox
from tests import factories
from tests.billing.factories import capture, reserve
from tests.billing.payments.stripe.shop import (
    balance,
    buy,
    deliver,
    faults,
    problems,
)
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
PUT = {
    "enabled": True,
    "below": 10_000,
    "product": "credit_pack_1hr",
    "monthly_cap": 600,
}


@pytest.fixture
def owner(stripe, ada):
    """Ada, who has bought a pack, and whose card is saved."""
    order = buy(ada)
    stripe.pay(order.checkout_id)
    deliver(stripe)
    stripe.events.clear()
    stripe.save_card(stripe.objects[order.checkout_id]["customer"])
    return ada


def put(person, **fields):
    return factories.browser(person).put(
        "/api/v1/billing/top-up", PUT | fields, content_type="application/json"
    )


def spend(person, credits: int, key: str = "job:1:1") -> None:
    reserve(wallet_of(factories.workspace(person), "PRODUCTION"), credits, key=key)
    capture(credits, f"scene:{key}", key)


def mails() -> list[str]:
    outbox.work()
    found = [str(one.subject) for one in mail.outbox]
    mail.outbox.clear()
    return [subject for subject in found if "login" not in subject]


def test_a_pack_is_bought_when_credits_run_low(stripe, owner):
    assert put(owner).json() == PUT | {"error": ""}
    assert top_ups.run() == 0, "there are enough"
    spend(owner, 25_000)
    assert sum(in_threads(4, top_ups.run)) >= 1
    order = Order.objects.get(kind="top_up")
    assert (order.status, order.paid_amount) == ("paid", 299)
    assert order.money_id == order.checkout_id
    intents = [
        one for one in stripe.objects.values() if one["object"] == "payment_intent"
    ]
    assert len(intents) == 2, "the card was charged once"
    assert mails() == ["25,000 credits were bought automatically"]
    deliver(stripe)
    assert balance(owner) == 25_000
    assert (problems(), mails()) == ([], [])


def test_the_cap_ends_it(stripe, owner):
    put(owner, monthly_cap=598, below=1_000_000)
    for _ in range(3):
        top_ups.run()
    assert Order.objects.filter(kind="top_up", status="paid").count() == 2
    top_up = TopUp.objects.get()
    assert (top_up.is_enabled, top_up.error) == (
        False,
        "The most that you allow for a month was reached.",
    )
    assert mails()[-1] == "Your automatic top-up is off"
    # What was bought in an earlier month does not count.
    Order.objects.update(created_at=timezone.now() - timedelta(days=40))
    put(owner, monthly_cap=598, below=1_000_000)
    top_ups.run()
    assert Order.objects.filter(kind="top_up", status="paid").count() == 3


@pytest.mark.parametrize("code", ["card_declined", "authentication_required"])
def test_a_declined_card_ends_it(stripe, owner, code):
    put(owner, below=1_000_000)
    stripe.declines = code
    top_ups.run()
    order = Order.objects.get(kind="top_up")
    assert (order.status, order.error) == ("failed", "Your card was declined")
    answer = factories.browser(owner).get("/api/v1/billing/top-up").json()
    assert answer == PUT | {
        "enabled": False,
        "below": 1_000_000,
        "error": "Your card was declined.",
    }
    deliver(stripe)
    assert top_ups.run() == 0
    assert mails() == ["Your automatic top-up is off"]
    assert balance(owner) == 25_000


def test_a_refund_or_a_dispute_ends_it(stripe, owner):
    put(owner)
    stripe.dispute(Order.objects.get().money_id)
    deliver(stripe)
    assert TopUp.objects.get().error == "A payment was paid back or disputed."
    assert top_ups.run() == 0


def test_a_gateway_that_fails_is_asked_again_and_charges_once(stripe, owner):
    put(owner, below=1_000_000)
    stripe.fault = faults()["hangs up"]
    assert [top_ups.run(), top_ups.run()] == [1, 1]
    assert Order.objects.get(kind="top_up").status == "pending"

    def lose_the_answer(request) -> bool:
        if request.command != "POST":
            return False
        stripe.answer(request.command, request.path, request.headers, request.body)
        request.close_connection = True
        return True

    stripe.fault = lose_the_answer
    top_ups.run()
    assert Order.objects.get(kind="top_up").status == "pending"
    stripe.fault = None
    TopUp.objects.update(monthly_cap=299)
    top_ups.run()
    assert Order.objects.get(kind="top_up").status == "paid"
    assert balance(owner) == 50_000
    kinds = [one["object"] for one in stripe.objects.values()]
    assert kinds.count("payment_intent") == 2


def test_only_the_owner_sets_it_up_by_a_fresh_login_in_production(stripe, owner):
    workspace = factories.workspace(owner)
    token = factories.api(factories.token(owner))
    answer = token.put("/api/v1/billing/top-up", PUT, content_type="application/json")
    assert answer.json()["code"] == "fresh_login_required"
    browser = factories.browser(owner)
    answer = browser.put(
        "/api/v1/billing/top-up",
        PUT,
        content_type="application/json",
        headers={"X-Environment": "SANDBOX"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "production_only")
    for wrong in ({"product": "plus"}, {"below": 0}, {"monthly_cap": 0}):
        assert put(owner, **wrong).status_code == 400
    assert not TopUp.objects.filter(workspace=workspace).exists()
    assert put(factories.user()).json()["code"] == "not_bought_yet"


def test_it_ends_without_a_saved_card(stripe, owner):
    put(owner, below=1_000_000)
    for one in list(stripe.objects.values()):
        if one["object"] == "customer":
            one["invoice_settings"]["default_payment_method"] = None
        if one["object"] == "payment_method":
            del stripe.objects[one["id"]]
    top_ups.run()
    assert TopUp.objects.get().error == "There is no saved card."


def test_it_is_set_up_on_the_page(stripe, owner):
    browser = factories.browser(owner)
    assert "Buy a pack automatically" in browser.get("/credits").content.decode()
    form = {"is_enabled": "on", "below": "10", "product": "credit_pack_1hr"}
    page = browser.post("/credits/top-up", form | {"monthly_cap": "20.50"}, follow=True)
    assert "The automatic top-up was saved." in page.content.decode()
    top_up = TopUp.objects.get()
    assert (top_up.is_enabled, top_up.below, top_up.monthly_cap) == (True, 10, 2_050)
    page = browser.post("/credits/top-up", form | {"monthly_cap": "0"}, follow=True)
    assert "fields that are not valid" in page.content.decode()
    assert TopUp.objects.get().monthly_cap == 2_050


def test_a_failed_renewal_is_mailed_once_a_day(stripe, ada):
    order = buy(ada, "plus_yearly")
    stripe.pay(order.checkout_id)
    deliver(stripe)
    mails()
    stripe.renew(stripe.objects[order.checkout_id]["subscription"], is_paid=False)
    deliver(stripe)
    outbox.work()
    (sent,) = [one for one in mail.outbox if "renewed" in one.subject]
    assert sent.subject == "Your plan Plus, yearly could not be renewed"
    assert "https://invoice.example/mend" in str(sent.body)
