"""What each fact does to the order, the ledger and the subscription."""

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import NotReportedYet
from billing.ledger.wallets import wallet_of
from billing.models import Order, Refund, Store, Subscription
from billing.payments import posting
from billing.payments.gateways.contract import (
    Buyer,
    Changed,
    Disputed,
    DisputeWon,
    Ended,
    Money,
    NotPaid,
    Paid,
    PastDue,
    Refunded,
    RefundFailed,
    Renewed,
    Unclear,
    Unprocessable,
)
from tests.billing import factories
from tests.billing.payments.paying import granted, order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("offers")]
NOW = timezone.now()


def post(*facts, environment="PRODUCTION") -> list[str]:
    with transaction.atomic():
        return posting.post_all(facts, Environment(environment)).split("\n")


def paid(of: Order, **money) -> Paid:
    values: dict[str, Any] = {
        "id": f"pi_{of.pk.hex}",
        "amount": 299,
        "currency": "USD",
    } | money
    return Paid(store=Store.DEMO, buyer=Buyer(order_id=of.pk), money=Money(**values))


def refunded(money_id: str, amount: int | None, refund_id: str = "re_1") -> Refunded:
    return Refunded(
        store=Store.DEMO, money_id=money_id, refund_id=refund_id, amount=amount
    )


def renewed(of: Order, *, month: int = 0, **fields) -> Renewed:
    begins = NOW + timedelta(days=30 * month - 1)
    values: dict[str, Any] = {
        "store": Store.DEMO,
        "buyer": Buyer(order_id=of.pk),
        "subscription_id": "sub_1",
        "money": Money(id=f"in_{month}", amount=299, currency="USD"),
        "period_start": begins,
        "period_end": begins + timedelta(days=30),
    }
    return Renewed(**(values | fields))


def balance(of: Order) -> int:
    """Return the credits of the order's wallet, less what signing up gave."""
    wallet = wallet_of(of.workspace, of.environment)
    return wallet.available - wallet.debt - 5_000


@pytest.mark.parametrize(
    ("money", "problem"),
    [
        ({"amount": 298}, "298 USD were paid for 299 USD"),
        ({"currency": "EUR"}, "299 EUR were paid for 299 USD"),
        ({"amount": 400}, "400 USD were paid for 299 USD"),
        ({"amount": 299, "price": 250, "tax": 49}, "250 USD were paid for 299 USD"),
    ],
)
def test_another_amount_grants_nothing_and_is_reviewed(money, problem):
    bought = order()
    reason = f"{problem}: pi_{bought.pk.hex}."
    assert post(paid(bought, **money)) == [f"to be reviewed: {reason}"]
    bought.refresh_from_db()
    assert (bought.status, bought.review) == ("pending", reason)
    assert granted(bought.workspace) == []


@pytest.mark.parametrize(
    "money",
    [
        {"amount": 356, "price": 299, "tax": 57},
        {"amount": 200, "price": 299, "discount": 99},
        {"amount": 0, "price": 299, "discount": 299},
    ],
    ids=["tax", "discount", "free"],
)
def test_tax_and_discounts_are_kept_in_the_order(money):
    bought = order()
    post(paid(bought, **money))
    bought.refresh_from_db()
    assert (bought.paid_amount, bought.tax, bought.discount) == (
        money["amount"],
        money.get("tax", 0),
        money.get("discount", 0),
    )
    assert granted(bought.workspace) == [("pack", 25_000)]


def test_an_order_that_is_paid_twice_is_reviewed():
    bought = order()
    post(paid(bought))
    assert post(paid(bought, id="pi_2")) == ["to be reviewed: Paid again: pi_2."]
    assert granted(bought.workspace) == [("pack", 25_000)]


def test_a_payment_after_the_page_expired_still_counts():
    bought = order()
    expired = NotPaid(store=Store.DEMO, order_id=bought.pk, is_expired=True)
    assert post(expired) == ["not paid: 25,000 credits"]
    post(paid(bought))
    assert post(expired) == ["too late: 25,000 credits · paid"]
    bought.refresh_from_db()
    assert bought.status == "paid"


def test_an_unclear_payment_is_reviewed_once():
    bought = order()
    fact = Unclear(
        store=Store.DEMO, order_id=bought.pk, money_id="btc_1", reason="Paid too late."
    )
    post(fact)
    post(fact)
    bought.refresh_from_db()
    assert bought.review == "Paid too late. Payment btc_1."
    assert granted(bought.workspace) == []


def test_a_refund_of_spent_credits_is_a_debt_that_the_next_purchase_repays():
    bought = order()
    post(paid(bought))
    wallet = wallet_of(bought.workspace, "PRODUCTION")
    factories.reserve(wallet, 30_000)
    factories.capture(30_000)
    assert post(refunded(f"pi_{bought.pk.hex}", 299)) == [
        "refund: 25,000 credits taken back"
    ]
    wallet.refresh_from_db()
    assert (wallet.available, wallet.debt) == (0, 25_000)
    again = order("credit_pack_5hr", workspace=bought.workspace)
    post(paid(again, amount=1_199))
    wallet.refresh_from_db()
    assert (wallet.available, wallet.debt) == (100_000, 0)
    assert factories.violations() == {}


def test_partial_refunds_and_a_dispute_take_no_more_than_was_granted():
    bought = order()
    money = f"pi_{bought.pk.hex}"
    post(paid(bought))
    assert post(refunded(money, 100)) == ["refund: 8,361 credits taken back"]
    assert post(refunded(money, 100)) == ["posted before: refund of 25,000 credits"]
    assert post(refunded(money, 100, "re_2")) == ["refund: 8,361 credits taken back"]
    dispute = Disputed(store=Store.DEMO, money_id=money, dispute_id="dp_1", amount=299)
    assert post(dispute) == ["dispute: 8,278 credits taken back"]
    bought.refresh_from_db()
    assert (bought.refunded, balance(bought)) == (299, 0)
    won = DisputeWon(store=Store.DEMO, money_id=money, dispute_id="dp_1")
    assert post(won) == ["reversed: 8,278 credits given back"]
    assert post(won) == ["posted before: reversed dispute"]
    assert balance(bought) == 8_278
    assert factories.violations() == {}


def test_a_dispute_that_found_nothing_left_can_be_won():
    bought = order()
    money = f"pi_{bought.pk.hex}"
    post(paid(bought), refunded(money, None))
    dispute = Disputed(store=Store.DEMO, money_id=money, dispute_id="dp_1", amount=299)
    assert post(dispute) == ["dispute: 0 credits taken back"]
    post(DisputeWon(store=Store.DEMO, money_id=money, dispute_id="dp_1"))
    assert balance(bought) == 0


@pytest.mark.parametrize("seed", range(20))
def test_facts_in_any_order_make_one_ledger(seed):
    """What comes too early is posted again later, as the inbox does."""
    bought = order()
    money = f"pi_{bought.pk.hex}"
    dispute: dict[str, Any] = {
        "store": Store.DEMO,
        "money_id": money,
        "dispute_id": "dp_1",
    }
    facts = [
        paid(bought),
        refunded(money, 100),
        RefundFailed(store=Store.DEMO, money_id=money, refund_id="re_1"),
        Disputed(**dispute, amount=150),
        DisputeWon(**dispute),
        refunded(money, 299, "re_2"),
        NotPaid(store=Store.DEMO, order_id=bought.pk, is_expired=True),
    ]
    waiting = facts * 2
    random.Random(seed).shuffle(waiting)
    for _ in itertools.repeat(None, 10):
        early = []
        for fact in waiting:
            try:
                post(fact)
            except NotReportedYet:
                early.append(fact)
        waiting = early
    assert waiting == []
    bought.refresh_from_db()
    assert (bought.status, bought.refunded) == ("paid", 299)
    assert balance(bought) == 0
    assert set(bought.refunds.values_list("external_id", "amount", "is_reversed")) == {
        ("dp_1", 150, True),
        ("re_1", 100, True),
        ("re_2", 299, False),
    }
    assert factories.violations() == {}


def test_a_plan_is_paid_renewed_changed_and_ended():
    bought = order("plus")
    assert post(renewed(bought)) == ["paid: Plus"]
    assert post(renewed(bought)) == ["posted before: Plus"]
    bought.refresh_from_db()
    subscription = bought.subscription
    assert subscription is not None
    assert (bought.status, bought.period, subscription.plan.key) == ("paid", 1, "plus")
    assert granted(bought.workspace) == [("allowance", 900_000)]

    changed = Changed(store=Store.DEMO, subscription_id="sub_1", product="studio")
    assert post(changed, changed) == ["active: Studio"] * 2
    assert granted(bought.workspace) == [
        ("allowance", 900_000),
        ("allowance", 4_100_000),
    ]
    post(PastDue(store=Store.DEMO, subscription_id="sub_1"))
    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    later = renewed(bought, month=1, buyer=Buyer(product="plus"))
    assert post(later, later) == ["paid: Plus", "posted before: Plus"]
    subscription.refresh_from_db()
    assert (subscription.status, subscription.periods.count()) == ("active", 2)
    assert (subscription.plan.key, subscription.period) == ("studio", 1), "not begun"
    cancel = Changed(
        store=Store.DEMO, subscription_id="sub_1", cancel_at_period_end=True
    )
    assert post(cancel) == ["active: Studio until its period ends"]
    assert post(Ended(store=Store.DEMO, subscription_id="sub_1")) == ["ended: Studio"]
    assert [
        (one.kind, one.period, one.money_id) for one in Order.objects.order_by("pk")
    ] == [("checkout", 1, "in_0"), ("renewal", 2, "in_1")]


def test_a_refund_of_a_plan_takes_the_credits_of_its_period():
    bought = order("plus")
    post(renewed(bought))
    assert post(refunded("in_0", 299)) == ["refund: 900,000 credits taken back"]
    assert balance(bought) == 0
    assert factories.violations() == {}


def test_a_trial_is_granted_once_for_an_account():
    for number in range(2):
        bought = order("plus")
        trial = renewed(
            bought,
            subscription_id=f"sub_{number}",
            money=Money(id=f"in_{number}", amount=0, currency="USD", price=0),
            is_trial=True,
            account="cus_1",
        )
        assert post(trial) == ["trial: Plus"]
        assert granted(bought.workspace) == [("allowance", 900_000)][number:]


def test_what_a_subscription_needs_first_is_waited_for():
    for fact in (
        Ended(store=Store.DEMO, subscription_id="sub_1"),
        PastDue(store=Store.DEMO, subscription_id="sub_1"),
        Changed(store=Store.DEMO, subscription_id="sub_1"),
        refunded("pi_1", 1),
    ):
        with pytest.raises(NotReportedYet):
            post(fact)
    assert not Subscription.objects.exists()
    assert not Refund.objects.exists()


def test_an_app_store_names_workspace_and_product_instead_of_an_order():
    bought = order()
    fact = Paid(
        store=Store.APP_STORE,
        buyer=Buyer(workspace_id=bought.workspace_id, product="credit_pack_5hr"),
        money=Money(id="1000001", amount=1_099, currency="EUR"),
    )
    assert post(fact) == ["paid: 125,000 credits"]
    # The same ID in the other environment is another payment.
    assert post(fact, environment="SANDBOX") == ["paid: 125,000 credits"]
    assert post(fact) == ["posted before: 125,000 credits"]
    assert granted(bought.workspace) == [("pack", 125_000)]
    assert granted(bought.workspace, "SANDBOX") == [("pack", 125_000)]
    unknown = Buyer(workspace_id=bought.workspace_id, product="gone")
    with pytest.raises(Unprocessable, match="There is no product 'gone'"):
        post(
            Paid(
                store=Store.APP_STORE,
                buyer=unknown,
                money=Money(id="2", amount=1, currency="USD"),
            )
        )


def test_a_pack_is_not_paid_by_an_invoice_nor_a_plan_by_a_payment():
    pack, plan = order(), order("plus")
    for fact in (
        renewed(pack, buyer=Buyer(order_id=pack.pk, product="plus")),
        paid(plan),
    ):
        with pytest.raises(Unprocessable, match="is no order of a"):
            post(fact)
    assert granted(pack.workspace) == granted(plan.workspace) == []
