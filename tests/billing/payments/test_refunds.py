"""What operators do with orders, in the admin: pay back, accept, dismiss, retry."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from billing.errors import GatewayFailed
from billing.ledger.wallets import wallet_of
from billing.models import (
    GatewayCustomer,
    InboxEvent,
    LedgerTransaction,
    Order,
    Refund,
)
from billing.payments import refunds
from billing.payments.gateways.contract import Refunded, RefundFailed, Unprocessable
from billing.payments.gateways.demo import Demo
from kit.ids import new_id
from tests import factories
from tests.billing.factories import violations
from tests.billing.payments.paying import granted, order, paid, process, send
from tests.billing.payments.test_posting import post

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]


@pytest.fixture
def operator() -> Client:
    return factories.browser(
        factories.user("op@example.com", is_staff=True, is_superuser=True)
    )


@pytest.fixture
def bought() -> Order:
    placed = order()
    send(paid(placed))
    process()
    placed.refresh_from_db()
    return placed


def ask(operator: Client, placed: Order, verb: str, **fields) -> str:
    """Send an operator's form about an order; return the messages of the next page."""
    url = reverse(f"admin:billing_order_{verb}", args=[placed.pk])
    form = {"key": str(new_id()), "reason": "Asked by mail", "ticket": "T-1"} | fields
    answer = operator.post(url, form, follow=True)
    return " ".join(str(one) for one in answer.context["messages"])


def credits(of: Order) -> int:
    wallet = wallet_of(of.workspace, of.environment)
    return wallet.available - wallet.debt - 5_000


def test_an_operator_pays_back_once(operator, bought):
    key = str(new_id())
    assert ask(operator, bought, "refund", amount="100", key=key) == "Refund 100."
    again = ask(operator, bought, "refund", amount="100", key=key)
    assert again == "This was already done."
    assert credits(bought) == 25_000, "the gateway is asked first"
    assert refunds.work() == 1
    assert credits(bought) == 25_000 - 8_361
    refund = Refund.objects.get()
    assert (refund.status, refund.credits, refund.reason, refund.ticket) == (
        "completed",
        8_361,
        "Asked by mail",
        "T-1",
    )
    bought.refresh_from_db()
    assert (bought.refunded, bought.state) == (100, "Partly paid back")
    posted = LedgerTransaction.objects.get(kind="refund")
    assert (posted.reason, posted.ticket) == ("Asked by mail", "T-1")
    assert AuditEntry.objects.get(object_id=str(bought.pk)).reason == "Asked by mail"
    # What the gateway reports of it afterwards is the same refund.
    post(*Demo().refund(refund))
    assert Refund.objects.count() == 1
    assert credits(bought) == 25_000 - 8_361
    assert violations() == {}


def test_no_more_is_paid_back_than_was_paid(operator, bought):
    ask(operator, bought, "refund", amount="200")
    for amount in ("100", "0", "-1", "x"):
        ask(operator, bought, "refund", amount=amount)
    assert Refund.objects.count() == 1
    text = ask(operator, bought, "refund", amount="100")
    assert text == "99 USD, in minor units, are left to pay back."
    unpaid = order()
    assert "0 USD" in ask(operator, unpaid, "refund", amount="1")


def test_a_gateway_that_fails_is_asked_again(operator, bought, monkeypatch):
    asked = []

    def fail(self, refund):
        asked.append(refund.key)
        raise GatewayFailed("TimedOut")

    ask(operator, bought, "refund", amount="299")
    with monkeypatch.context() as patched:
        patched.setattr(Demo, "refund", fail)
        refunds.work()
    refund = Refund.objects.get()
    assert (refund.status, refund.error) == (
        "queued",
        "The gateway did not answer: TimedOut",
    )
    assert credits(bought) == 25_000
    refund.ready_at = refund.created_at
    refund.save()
    refunds.work()
    assert credits(bought) == 0
    assert asked == [refund.key]


def test_a_refused_refund_can_be_asked_for_again(operator, bought, monkeypatch):
    def refuse(self, refund):
        raise Unprocessable("Stripe refuses: charge_disputed")

    ask(operator, bought, "refund", amount="299")
    with monkeypatch.context() as patched:
        patched.setattr(Demo, "refund", refuse)
        refunds.work()
    refund = Refund.objects.get()
    assert (refund.status, refund.error) == (
        "failed",
        "Stripe refuses: charge_disputed",
    )
    assert credits(bought) == 25_000
    assert ask(operator, bought, "refund", amount="299") == "Refund 299."


def test_the_event_of_a_refund_may_be_faster_than_its_answer(operator, bought):
    """Its row is settled by the event, so the worker that asked drops its result."""
    ask(operator, bought, "refund", amount="299")
    refund = refunds.work.take()
    assert refund is not None
    (fact,) = Demo().refund(refund)
    assert isinstance(fact, Refunded)
    post(fact)
    refunds.work.do(refund)
    assert Refund.objects.get().status == "completed"
    assert credits(bought) == 0
    name = fact.refund_id
    post(RefundFailed(store=fact.store, money_id=fact.money_id, refund_id=name))
    assert credits(bought) == 25_000
    assert ask(operator, bought, "refund", amount="299") == "Refund 299."


def test_a_gateway_that_cannot_pay_back_takes_the_credits_at_once(operator, bought):
    Order.objects.filter(pk=bought.pk).update(store="app_store")
    assert ask(operator, bought, "refund", amount="299") == (
        f"Nothing was granted for purchase:app_store:{bought.money_id} yet."
    )
    assert not Refund.objects.exists()
    Order.objects.filter(pk=bought.pk).update(store="demo")


def test_a_payment_in_review_is_accepted_or_dismissed(operator):
    late, wrong = order(review="Paid too late."), order(review="Paid twice.")
    assert ask(operator, late, "accept", money_id="btc_1") == "Accepted btc_1."
    late.refresh_from_db()
    assert (late.status, late.review, late.money_id) == ("paid", "", "btc_1")
    assert granted(late.workspace) == [("pack", 25_000)]
    text = ask(operator, late, "accept", money_id="btc_2")
    assert text == f"The order {late.pk} does not wait for that."
    assert ask(operator, wrong, "dismiss") == "Dismissed the review."
    wrong.refresh_from_db()
    assert (wrong.status, wrong.review) == ("failed", "")
    assert granted(wrong.workspace) == []
    assert violations() == {}


def test_a_failed_event_is_retried(operator, bought):
    InboxEvent.objects.update(status="failed", error="A fault.")
    event = InboxEvent.objects.get()
    operator.post(
        reverse("admin:billing_inboxevent_changelist"),
        {"action": "retry", "_selected_action": [str(event.pk)], "reason": "Repaired"},
    )
    process()
    event.refresh_from_db()
    assert (event.status, event.error) == ("completed", "")
    assert event.result == "posted before: 25,000 credits"


def test_operators_find_and_read_rows(operator, bought):
    ask(operator, bought, "refund", amount="1")
    for model in (Order, Refund, InboxEvent, GatewayCustomer):
        name = f"admin:billing_{model._meta.model_name}"
        for query in ("", f"?q={bought.pk}"):
            page = operator.get(reverse(f"{name}_changelist") + query)
            assert page.status_code == 200
        for row in model._default_manager.all():
            page = operator.get(reverse(f"{name}_change", args=[row.pk]))
            assert page.status_code == 200
    page = operator.get(reverse("admin:billing_order_changelist") + "?review=1")
    assert str(bought.pk) not in page.content.decode()
