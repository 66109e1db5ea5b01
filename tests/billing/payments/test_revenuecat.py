"""Purchases in app stores, as RevenueCat reports them: each counts once."""

import random
import time
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from billing.ledger.wallets import wallet_of
from billing.models import InboxEvent, MobileCustomer, Order
from billing.payments.gateways import subscribers
from billing.payments.gateways.contract import Callback
from kit.ids import new_id
from kit.mail import outbox
from tests.billing import factories
from tests.billing.payments.app_stores import (
    ANA,
    AUTH,
    BEN,
    RevenueCatServer,
    at,
    balance,
    event,
    home,
    milliseconds,
    plan_event,
    purchase,
    report,
    signature,
    standing,
    told,
)
from tests.billing.payments.counterparts import FAULTS, IMPATIENT, due
from tests.billing.payments.paying import events, granted, process, send
from tests.factories import user, workspace
from tests.providers.vendors.server import serving
from tests.threads import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]


@pytest.fixture(autouse=True)
def header(settings):
    settings.REVENUECAT_WEBHOOK_AUTH = AUTH


@pytest.fixture
def server(settings):
    with serving(RevenueCatServer()) as made:
        made.configure(settings)
        yield made


def test_a_pack_is_granted_to_the_customer_that_bought_it():
    answer = send(told(event("NON_RENEWING_PURCHASE", ANA)), "revenuecat")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    process()
    assert granted(home(ANA)) == [("pack", 25_000)]
    order = Order.objects.get()
    assert (order.kind, order.store, order.money_id) == (
        *("in_app", "app_store", "2000000001"),
    )
    assert (order.paid_amount, order.currency, order.tax) == (299, "USD", 0)


def test_a_pack_is_granted_to_the_workspace_that_the_app_has_logged_in():
    of = workspace(user())
    report(event("NON_RENEWING_PURCHASE", str(of.pk), aliases=[str(of.pk), ANA]))
    assert granted(of) == [("pack", 25_000)]
    # Its ID, and those of the devices of its members, are no credentials.
    assert not MobileCustomer.objects.exists()


@pytest.mark.parametrize(
    ("fields", "amount", "currency", "tax"),
    [
        ({"price_in_purchased_currency": 3.49, "currency": "EUR"}, 349, "EUR", 0),
        ({"price_in_purchased_currency": 450, "currency": "JPY"}, 450, "JPY", 0),
        ({"tax_percentage": 0.19}, 299, "USD", 57),
        ({"price_in_purchased_currency": None}, 299, "USD", 0),
        ({"currency": None}, 299, "USD", 0),
        ({"price_in_purchased_currency": -2.99}, 299, "USD", 0),
        ({"price_in_purchased_currency": "a", "currency": 7}, 299, "USD", 0),
    ],
)
def test_what_was_paid_is_what_the_store_says(fields, amount, currency, tax):
    report(event("NON_RENEWING_PURCHASE", ANA, **fields))
    order = Order.objects.get()
    assert (order.paid_amount, order.currency, order.tax) == (amount, currency, tax)
    assert granted(home(ANA)) == [("pack", 25_000)]


def test_refund_and_cancellation_of_a_purchase_count_once():
    report(event("NON_RENEWING_PURCHASE", ANA))
    wallet = wallet_of(home(ANA), "PRODUCTION")
    factories.reserve(wallet, 20_000)
    factories.capture(20_000)
    report(
        event("REFUND", ANA, store=None),
        event("CANCELLATION", ANA, cancel_reason="CUSTOMER_SUPPORT", price=-2.99),
        copies=3,
    )
    assert balance(home(ANA)) == (0, 20_000)
    report(event("NON_RENEWING_PURCHASE", ANA, "2000000002"))
    assert balance(home(ANA)) == (5_000, 0)
    assert factories.violations() == {}


def test_a_refund_waits_for_its_purchase_and_can_be_reversed():
    report(event("REFUND", ANA), event("REFUND_REVERSED", ANA))
    assert [status for status, *_ in events()] == ["queued", "queued"]
    report(event("NON_RENEWING_PURCHASE", ANA))
    for _ in range(3):
        due()
        process()
    assert [status for status, *_ in events()] == ["completed"] * 3
    assert balance(home(ANA)) == (25_000, 0)
    assert factories.violations() == {}


def test_a_sandbox_copy_of_a_production_purchase_is_separate():
    bought = event("NON_RENEWING_PURCHASE", ANA)
    copy = bought | {"environment": "SANDBOX"}
    report(bought, copy, copies=2)
    of = home(ANA)
    assert granted(of) == granted(of, "SANDBOX") == [("pack", 25_000)]
    report(event("REFUND", ANA, environment="SANDBOX"))
    assert (balance(of), balance(of, "SANDBOX")) == ((25_000, 0), (0, 0))


def test_an_unknown_environment_is_kept_and_not_posted():
    for environment in ("STAGING", None, ""):
        report(event("NON_RENEWING_PURCHASE", ANA, environment=environment))
    assert {row[:1] + row[2:] for row in events()} == {
        ("failed", "It names no environment that we know.")
    }
    assert not MobileCustomer.objects.exists()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "PAYWALL_IMPRESSION"}, "Nothing is posted for PAYWALL_IMPRESSION."),
        ({"type": "TEST"}, "Nothing is posted for TEST."),
        (
            {"is_family_share": True},
            "It is shared with the family, and paid for by another.",
        ),
        ({"store": "PROMOTIONAL"}, "It was given, not bought."),
        ({"store": "TEST_STORE"}, "It is from the test store."),
    ],
)
def test_what_is_no_purchase_is_acknowledged(fields, reason):
    report(event("NON_RENEWING_PURCHASE", ANA, **fields))
    assert events() == [("completed", f"ignored: {reason}", "")]
    assert not MobileCustomer.objects.exists()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"product_id": "hat"}, "No pack is sold as hat."),
        ({"product_id": "a\0b"}, "It has no product_id."),
        ({"transaction_id": None}, "It has no transaction_id."),
        ({"app_user_id": None, "aliases": None, "original_app_user_id": 7}, None),
        ({"app_user_id": "\0", "aliases": [], "original_app_user_id": ""}, None),
        (
            {"type": "RENEWAL", "product_id": "plus_monthly"},
            "It has no expiration_at_ms.",
        ),
        ({"type": "TRANSFER"}, "It does not say from whom, or to whom."),
    ],
)
def test_what_cannot_be_posted_waits_for_an_operator(fields, error):
    report(event("NON_RENEWING_PURCHASE", ANA, **fields))
    assert events() == [("failed", "", error or "It names no customer.")]
    assert not MobileCustomer.objects.exists()


def test_aliases_are_one_customer():
    report(event("NON_RENEWING_PURCHASE", ANA))
    both = {"aliases": [ANA, BEN], "original_app_user_id": ANA}
    report(event("NON_RENEWING_PURCHASE", BEN, "2000000002", **both))
    assert home(ANA) == home(BEN)
    assert granted(home(ANA)) == [("pack", 25_000), ("pack", 25_000)]


def test_aliases_that_are_told_at_once_become_one_customer():
    ids = [f"$RCAnonymousID:{number:032x}" for number in range(12)]

    def buy() -> None:
        order = random.sample(ids, k=len(ids))
        bought = event("NON_RENEWING_PURCHASE", order[0], str(new_id()), aliases=order)
        assert send(told(bought), "revenuecat").status_code == 200

    in_threads(8, buy)
    in_threads(4, process)
    assert MobileCustomer.objects.count() == 1
    assert granted(home(ids[0])) == [("pack", 25_000)] * 8


def life_of_a_plan() -> list[Any]:
    """Return what is told about three months, of which the last was canceled."""
    return [
        plan_event("INITIAL_PURCHASE", ANA, -2),
        plan_event("CANCELLATION", ANA, -2, cancel_reason="UNSUBSCRIBE"),
        plan_event("UNCANCELLATION", ANA, -2),
        plan_event("RENEWAL", ANA, -1),
        plan_event("BILLING_ISSUE", ANA, -1),
        plan_event("EXPIRATION", ANA, -1),
        plan_event("RENEWAL", ANA, 0),
        plan_event("PRODUCT_CHANGE", ANA, 0, new_product_id="studio_monthly"),
    ]


@pytest.mark.slow("twenty lives of a plan")
def test_twenty_random_orders_of_a_plan_have_one_ledger():
    ledgers = set()
    for seed in range(20):
        customer = f"$RCAnonymousID:{seed:032x}"
        chain = f"30000{seed:02}"
        story = [
            one
            | {"app_user_id": customer, "aliases": [], "original_app_user_id": customer}
            | {"original_transaction_id": chain}
            | {"transaction_id": f"{chain}-{one['expiration_at_ms']}"}
            for one in life_of_a_plan()
        ]
        report(*story, copies=2, seed=seed)
        due()
        process()
        [(plan, status, _)] = standing(home(customer))
        assert (plan, status) == ("plus", "active")
        ledgers.add(tuple(granted(home(customer))))
    assert ledgers == {(("allowance", 900_000),) * 3}
    assert set(InboxEvent.objects.values_list("status", flat=True)) == {"completed"}
    assert factories.violations() == {}


@pytest.mark.slow("hundreds of callbacks")
def test_every_event_fifty_times_at_once_counts_once():
    story = [told(one) for one in life_of_a_plan()]
    story += [told(event("NON_RENEWING_PURCHASE", ANA, "4000000001"))]
    story += [told(event("REFUND", ANA, "4000000001"))]

    def flood() -> set[int]:
        queue = story * 5
        random.shuffle(queue)
        return {send(callback, "revenuecat").status_code for callback in queue}

    assert in_threads(10, flood) == [{200}] * 10
    in_threads(4, process)
    due()
    process()
    assert InboxEvent.objects.count() == len(story)
    assert sorted(granted(home(ANA))) == [("allowance", 900_000)] * 3 + [
        ("pack", 25_000)
    ]
    assert balance(home(ANA))[1] == 0
    assert factories.violations() == {}


def test_one_payment_that_two_events_tell_is_granted_once():
    report(*(plan_event("INITIAL_PURCHASE", ANA) for _ in range(3)))
    report(plan_event("RENEWAL", ANA))
    assert granted(home(ANA)) == [("allowance", 900_000)]
    assert Order.objects.count() == 1


def test_a_subscription_is_kept_as_the_store_says():
    report(plan_event("INITIAL_PURCHASE", ANA))
    of = home(ANA)
    of.refresh_from_db()
    assert (of.tier, standing(of)) == ("paid", [("plus", "active", False)])
    report(plan_event("CANCELLATION", ANA, cancel_reason="UNSUBSCRIBE", price=0))
    assert standing(of) == [("plus", "active", True)]
    report(plan_event("UNCANCELLATION", ANA))
    assert standing(of) == [("plus", "active", False)]
    report(plan_event("BILLING_ISSUE", ANA))
    assert standing(of) == [("plus", "past_due", False)]
    report(plan_event("RENEWAL", ANA, 1, product_id="studio_monthly"))
    assert standing(of)[0][1] == "active"
    report(plan_event("EXPIRATION", ANA))  # of the month before
    assert standing(of)[0][1] == "active"
    report(plan_event("EXPIRATION", ANA, 1))
    of.refresh_from_db()
    assert (of.tier, standing(of)[0][1]) == ("free", "canceled")


def test_the_mail_about_a_failed_renewal_leads_to_the_store():
    of = workspace(user())
    report(plan_event("INITIAL_PURCHASE", str(of.pk)))
    report(plan_event("BILLING_ISSUE", str(of.pk)))
    outbox.work()
    (sent,) = [one for one in mail.outbox if "renewed" in one.subject]
    assert "https://apps.apple.com/account/subscriptions" in str(sent.body)


def test_a_refunded_month_takes_its_allowance_back():
    report(plan_event("INITIAL_PURCHASE", ANA))
    report(plan_event("CANCELLATION", ANA, cancel_reason="CUSTOMER_SUPPORT"))
    assert balance(home(ANA)) == (0, 0)


def test_a_trial_costs_nothing_and_is_given_once():
    report(plan_event("INITIAL_PURCHASE", ANA, period_type="TRIAL", price=0))
    assert standing(home(ANA)) == [("plus", "trialing", False)]
    assert Order.objects.get().paid_amount == 0


def test_a_plan_of_google_names_its_base_plan():
    bought = plan_event(
        "INITIAL_PURCHASE", ANA, chain="GPA.3345-1234", store="PLAY_STORE"
    )
    report(bought | {"product_id": "plus_monthly:monthly"})
    assert standing(home(ANA)) == [("plus", "active", False)]


@pytest.mark.parametrize("given", [None, "", "Bearer of-the-dashboarD", "Bearer é"])
def test_the_authorization_is_compared_verbatim(given):
    callback = told(event("NON_RENEWING_PURCHASE", ANA))
    headers = {"authorization": given} if given is not None else {}
    answer = send(Callback(headers, callback.body), "revenuecat")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert events() == []


def test_without_a_secret_it_is_off(settings):
    settings.REVENUECAT_WEBHOOK_AUTH = ""
    answer = send(told(event("NON_RENEWING_PURCHASE", ANA)), "revenuecat")
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_off")


@pytest.mark.parametrize("has_header", [True, False])
def test_a_signature_is_required_if_its_secret_is_set(settings, has_header):
    settings.REVENUECAT_WEBHOOK_AUTH = AUTH if has_header else ""
    settings.REVENUECAT_WEBHOOK_SECRET = "whs-s3cret"
    bought = event("NON_RENEWING_PURCHASE", ANA)
    body, now = told(bought).body, time.time()
    right = signature(body, "whs-s3cret")
    for wrong in (
        None,
        "",
        right[:-1],
        right.replace("v1", "v0"),
        signature(body + b" ", "whs-s3cret"),
        signature(body, "another"),
        signature(body, "whs-s3cret", now - 310),
        signature(body, "whs-s3cret", now + 310),
        right + f",t={int(now)}",
        "t=,v1=",
    ):
        headers = {"authorization": AUTH}
        if wrong is not None:
            headers["x-revenuecat-webhook-signature"] = wrong
        answer = send(Callback(headers, body), "revenuecat")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    # While a secret is replaced there are two.
    both = f"{right},v1={'0' * 64}"
    headers = {"authorization": AUTH, "x-revenuecat-webhook-signature": both}
    assert send(Callback(headers, body), "revenuecat").status_code == 200
    process()
    assert granted(home(ANA)) == [("pack", 25_000)]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"event": {"id": 1, "type": "TEST"}}', b"[" * 99_999]
)
def test_a_body_that_cannot_be_read_is_refused(body):
    answer = send(Callback({"authorization": AUTH}, body), "revenuecat")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_callback")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_purchase_waits_until_it_can_be_verified(
    server, settings, fault, monkeypatch
):
    monkeypatch.setattr(subscribers, "LIMITS", IMPATIENT)
    settings.REVENUECAT_VERIFY = True
    server.knows(ANA, purchases={"credit_pack_1hr": [purchase("2000000001")]})
    server.fault = fault
    report(event("NON_RENEWING_PURCHASE", ANA))
    assert [row[:2] for row in events()] == [("queued", "")]
    assert not MobileCustomer.objects.exists()
    server.fault = None
    due()
    process()
    assert events() == [("completed", "paid: 25,000 credits", "")]


@pytest.mark.parametrize(
    "listed",
    [
        {},
        {"credit_pack_1hr": [purchase("2000000002")]},
        {"credit_pack_1hr": [purchase("2000000001", is_sandbox=True)]},
    ],
    ids=["nothing", "another", "sandbox"],
)
def test_a_purchase_that_is_not_listed_is_not_granted(server, settings, listed):
    settings.REVENUECAT_VERIFY = True
    server.knows(ANA, purchases=listed)
    report(event("NON_RENEWING_PURCHASE", ANA))
    error = "The gateway did not answer: the purchase is not listed"
    assert events() == [("queued", "", error)]
    assert not MobileCustomer.objects.exists()


def test_months_that_are_over_are_told_late_and_count():
    report(plan_event("INITIAL_PURCHASE", ANA, -3))
    assert granted(home(ANA)) == [("allowance", 900_000)]
    assert milliseconds(at(-60)) < milliseconds(timezone.now())
