"""Plans by card: trials, renewals, upgrades, dunning, and their end."""

import pytest

from billing import lifecycle
from billing.errors import GatewayFailed
from billing.models import Order, Subscription
from tests.billing.factories import violations
from tests.billing.payments.paying import granted
from tests.billing.payments.stripe.shop import (
    buy,
    deliver,
    faults,
    problems,
)

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_the_plan_of_a_removed_workspace_is_billed_no_more(stripe, ada):
    order = buy(ada, "plus_yearly")
    stripe.pay(order.checkout_id)
    deliver(stripe)
    subscription = Subscription.objects.get()
    stripe.fault = faults()["down"]
    with pytest.raises(GatewayFailed):
        lifecycle.purge(order.workspace)
    subscription.refresh_from_db()
    assert subscription.status == "active", "tried again by the next run"
    stripe.fault = None
    for _ in range(2):
        lifecycle.purge(order.workspace)
    assert stripe.objects[subscription.external_id]["status"] == "canceled"
    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    deliver(stripe)
    assert problems() == []
