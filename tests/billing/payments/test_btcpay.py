"""What is particular to BTCPay Server: its address, and invoices that need a look."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from billing.errors import GatewayFailed
from billing.models import Order, Reconciliation
from billing.payments import reconciliation
from billing.payments.gateways import btcpay as adapter
from tests.billing.payments.counterparts import (
    BTCPayServer,
    at,
    checkout,
    deliver,
    posted_by_a_look,
    review_of,
)
from tests.billing.payments.paying import events, granted, process, send
from tests.providers.vendors.server import serving

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]


@pytest.fixture
def btcpay(settings):
    with serving(BTCPayServer()) as made:
        made.configure(settings)
        yield made


def test_an_invoice_is_made_once_for_an_order(btcpay):
    bought = at(btcpay)
    first = checkout(bought)
    assert checkout(bought) == first
    assert len(btcpay.invoices) == 1
    btcpay.invoices[first.id]["status"] = "Expired"
    assert checkout(bought).id != first.id


@pytest.mark.parametrize(
    ("status", "extra", "review"),
    [
        ("Expired", "PaidPartial", "Only a part was paid: 2.99 of 2.99 USD."),
        ("Expired", "PaidLate", "Paid too late: 2.99 of 2.99 USD."),
        ("Settled", "PaidLate", "Paid too late: 2.99 of 2.99 USD."),
        ("Settled", "PaidPartial", "Only a part was paid: 2.99 of 2.99 USD."),
        ("Invalid", "Marked", "Paid, but not confirmed in time: 2.99 of 2.99 USD."),
    ],
)
def test_other_payments_at_btcpay_are_reviewed(btcpay, status, extra, review):
    bought = at(btcpay)
    invoice = btcpay.pay(bought, status, extra)
    deliver("btcpay", [btcpay.told(invoice, f"Invoice{status}")], copies=2)
    assert review_of(bought) == ("pending", f"{review} Payment {invoice}.")
    assert granted(bought.workspace) == []


def test_an_expired_invoice_closes_its_order_unless_another_is_open(btcpay):
    bought = at(btcpay)
    expired = btcpay.pay(bought, "Expired")
    other = btcpay.pay(bought, "New")
    assert posted_by_a_look(bought) == "ignored: The invoice is new."
    btcpay.invoices[other]["status"] = "Expired"
    deliver("btcpay", [btcpay.told(expired, "InvoiceExpired")])
    assert review_of(bought) == ("expired", "")


def test_a_webhook_of_another_store_is_not_posted(btcpay):
    bought = at(btcpay)
    told = json.loads(btcpay.bought(bought)[1][-1].body)
    send(btcpay.signed(told | {"storeId": "another"}), "btcpay")
    process()
    error = "It is from another store than BTCPAY_STORE."
    assert events() == [("failed", "", error)]
    assert btcpay.asked == []


def test_a_webhook_about_no_invoice_is_ignored(btcpay):
    told = {"deliveryId": "d1", "type": "PayoutCreated", "storeId": btcpay.store}
    deliver("btcpay", [btcpay.signed(told)])
    assert events() == [
        ("completed", "ignored: PayoutCreated is about no invoice.", "")
    ]


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://0.0.0.0:1", "ftp://x"],
)
def test_btcpay_may_not_be_an_address_of_network_services(btcpay, settings, url):
    bought = at(btcpay)
    callback = btcpay.bought(bought)[1][-1]
    settings.BTCPAY_URL = url
    with pytest.raises(GatewayFailed):
        checkout(bought)
    send(callback, "btcpay")
    process()
    assert events()[0][0] == "queued"
    assert btcpay.asked == []
    assert granted(bought.workspace) == []


def test_a_page_to_pay_at_is_a_web_address(btcpay):
    bought = at(btcpay)
    number = btcpay.pay(bought, "New")
    btcpay.invoices[number]["checkoutLink"] = "javascript:alert(1)"
    with pytest.raises(GatewayFailed):
        checkout(bought)


@pytest.fixture
def at_once(monkeypatch):
    """Compare also what has just happened, and read pages of two invoices."""
    monkeypatch.setattr(reconciliation, "_SETTLED_AFTER", timedelta(seconds=-5))
    monkeypatch.setattr(adapter, "_PAGE", 2)


def differences() -> list[tuple[str, str]]:
    """Reconcile; return kind and payment of each difference."""
    Reconciliation.objects.all().delete()
    call_command("reconcile", days=3)
    assert reconciliation.work() == 1
    row = Reconciliation.objects.get()
    assert row.status == "completed", row.error
    return [(one["kind"], one["money_id"]) for one in row.differences]


@pytest.mark.usefixtures("at_once")
def test_reconciliation_finds_planted_differences_and_nothing_else(btcpay):
    paid = []
    for _ in range(5):
        invoice, callbacks = btcpay.bought(at(btcpay))
        deliver("btcpay", callbacks)
        paid.append(invoice)
    deliver("btcpay", [btcpay.paid_back(paid[4])])
    btcpay.create(amount="9.00", currency="USD", metadata={}, status="Settled")
    assert differences() == []
    del btcpay.invoices[paid[0]]
    btcpay.invoices[paid[1]]["amount"] = "2.00"
    Order.objects.filter(money_id=paid[2]).update(money_id="another")
    assert sorted(differences()) == [
        ("another amount", paid[1]),
        ("granted, not paid", "another"),
        ("granted, not paid", paid[0]),
        ("paid, not granted", paid[2]),
    ]


@pytest.mark.usefixtures("at_once")
def test_reconciliation_recovers_an_order_that_was_given_up(btcpay):
    bought = at(btcpay)
    Order.objects.filter(pk=bought.pk).update(status="expired")
    invoice = btcpay.pay(bought)
    assert differences() == [("paid, not granted", invoice)]
    process()
    assert granted(bought.workspace) == [("pack", 25_000)]
    assert differences() == []
