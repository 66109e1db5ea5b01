"""Pages: buy with the demo gateway, follow the order, take the receipt."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from billing.models import Order
from billing.plans import products
from tests import factories
from tests.billing.payments.paying import order, process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def development(settings):
    settings.DEVELOPMENT = True
    products.sync()


@pytest.fixture
def ada():
    return factories.user()


def buy(browser, **fields):
    return browser.post(
        "/buy", {"product": "credit_pack_1hr", "gateway": "demo"} | fields
    )


def test_a_pack_is_bought(ada):
    browser = factories.browser(ada)
    assert "Buy with" in browser.get("/credits").content.decode()
    answer = buy(browser)
    placed = Order.objects.get()
    assert answer["Location"] == f"/orders/{placed.pk}?go"
    page = browser.get(answer["Location"]).content.decode()
    assert f'data-go="{placed.checkout_url}"' in page
    demo = browser.get(f"/demo-pay/{placed.pk}").content.decode()
    assert "No money is charged" in demo
    assert browser.post(f"/demo-pay/{placed.pk}", {"pay": "1"}).status_code == 302
    waiting = browser.get(f"/orders/{placed.pk}").content.decode()
    assert "this page says so by itself" in waiting
    assert "data-go" not in waiting
    process()
    done = browser.get(f"/orders/{placed.pk}").content.decode()
    assert "25,000 credits are in your account." in done
    assert "data-order" not in done
    listed = browser.get("/orders").content.decode()
    assert "2.99 USD" in listed
    receipt = browser.get(f"/orders/{placed.pk}.pdf")
    text = PdfReader(BytesIO(receipt.content)).pages[0].extract_text()
    for part in (
        "Receipt",
        str(placed.pk),
        "25,000 credits",
        "2.99 USD",
        "no money was",
    ):
        assert part in text


def test_a_canceled_payment_charges_nothing(ada):
    browser = factories.browser(ada)
    buy(browser)
    placed = Order.objects.get()
    browser.post(f"/demo-pay/{placed.pk}", {"cancel": "1"})
    process()
    page = browser.get(f"/orders/{placed.pk}").content.decode()
    assert "Canceled. Nothing was charged." in page
    assert browser.get(f"/orders/{placed.pk}.pdf").status_code == 404


def test_a_refusal_is_shown_where_one_buys(ada):
    browser = factories.browser(ada)
    answer = buy(browser, product="gone")
    assert answer["Location"] == "/credits#offers"
    assert "gone is not on sale." in browser.get("/credits").content.decode()
    assert not Order.objects.exists()


def test_the_demo_is_not_there_outside_of_development(ada, settings):
    placed = order(workspace=factories.workspace(ada))
    settings.DEVELOPMENT = False
    browser = factories.browser(ada)
    assert "Buy with" not in browser.get("/credits").content.decode()
    for method in (browser.get, browser.post):
        assert method(f"/demo-pay/{placed.pk}").status_code == 404
    assert Order.objects.get().status == "pending"


def test_a_stranger_cannot_pay_or_see_an_order(ada):
    placed = order()
    browser = factories.browser(ada)
    for path in (f"/demo-pay/{placed.pk}", f"/orders/{placed.pk}"):
        assert browser.get(path).status_code == 404
    assert browser.post(f"/demo-pay/{placed.pk}").status_code == 404


def test_the_receipt_of_a_refund_shows_what_remains(ada):
    placed = order(workspace=factories.workspace(ada))
    placed.status, placed.money_id = "paid", "pi_1"
    placed.paid_amount, placed.tax, placed.discount = 300, 50, 49
    placed.refunded, placed.paid_at = 100, placed.created_at
    placed.save()
    assert placed.amounts == [
        ("25,000 credits", "2.99 USD"),
        ("Discount", "-0.49 USD"),
        ("Tax", "0.50 USD"),
        ("Paid", "3.00 USD"),
        ("Paid back", "-1.00 USD"),
        ("Remaining", "2.00 USD"),
    ]
    assert placed.state == "Partly paid back"
