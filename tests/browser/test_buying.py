"""A pack is bought in a real browser, and its page says by itself when it is paid."""

import re
from collections.abc import Callable

import pytest
import requests
from django.conf import settings as configured
from playwright.sync_api import Page, expect

from billing.models import Order
from billing.plans import products
from tests import factories
from tests.billing.payments.counterparts import BTCPayServer
from tests.billing.payments.stripe import server
from tests.browser import accessibility
from tests.providers.vendors.server import serving

BUY = "Buy with the demo, without money: 25,000 credits"


@pytest.fixture
def shop(site: str, settings, visit: Callable[..., Page]) -> Page:
    """The page of credits of a user who has just signed up."""
    settings.DEVELOPMENT = True
    settings.BASE_URL = site
    products.sync()
    client = factories.browser(factories.user())
    page = visit("/login")
    name = configured.SESSION_COOKIE_NAME
    page.context.add_cookies(
        [{"name": name, "value": client.cookies[name].value, "url": site}]
    )
    page.goto("/credits")
    return page


@pytest.mark.usefixtures("worker")
def test_a_new_user_buys_a_pack(shop: Page) -> None:
    shop.get_by_role("button", name=BUY).click()
    expect(shop.get_by_role("heading", level=1)).to_have_text("Demo payment")
    assert accessibility.problems(shop) == []
    shop.get_by_role("button", name="Pay 2.99 USD without money").click()
    done = shop.get_by_text("25,000 credits are in your account.")
    expect(done).to_be_visible()  # by itself
    assert accessibility.problems(shop) == []
    assert Order.objects.get().status == "paid"
    shop.get_by_role("link", name="All payments").click()
    expect(shop.get_by_role("link", name="PDF")).to_be_visible()
    assert accessibility.problems(shop) == []
    shop.goto("/credits")
    expect(shop.get_by_text("30,000 to spend")).to_be_visible()


@pytest.mark.usefixtures("worker")
def test_the_way_back_does_not_go_on_to_the_payment_again(shop: Page) -> None:
    shop.get_by_role("button", name=BUY).click()
    expect(shop).to_have_url(re.compile("/demo-pay/"))
    shop.go_back()
    expect(shop.get_by_role("heading", name="Not paid yet")).to_be_visible()
    link = shop.get_by_role("link", name="Continue to the payment")
    expect(link).to_be_visible()
    assert accessibility.problems(shop) == []
    link.click()
    shop.get_by_role("button", name="Cancel").click()
    expect(shop.get_by_text("Canceled. Nothing was charged.")).to_be_visible()


@pytest.mark.usefixtures("worker")
def test_a_slow_payment_by_card_is_told_by_the_page_itself(
    shop: Page, settings
) -> None:
    settings.STRIPE_KEYS = {"PRODUCTION": server.LIVE, "SANDBOX": ""}
    settings.STRIPE_HOOK_SECRETS = {
        "PRODUCTION": server.SECRETS[True],
        "SANDBOX": "",
    }
    with server.running() as stripe:
        settings.STRIPE_BASE_URL = stripe.url
        shop.reload()
        shop.get_by_role("button", name="Buy with card: 25,000 credits").click()
        shop.get_by_role("button", name="Pay").click()
        expect(shop.get_by_role("heading", name="Not paid yet")).to_be_visible()
        order = Order.objects.get()
        stripe.arrive(order.checkout_id)
        for event in stripe.events:
            callback = stripe.callback(event)
            answer = requests.post(
                f"{settings.BASE_URL}/hooks/stripe",
                callback.body,
                headers=dict(callback.headers),
                timeout=20,
            )
            assert answer.json() == {"received": True}
        done = shop.get_by_text("25,000 credits are in your account.")
        expect(done).to_be_visible()
    order.refresh_from_db()
    assert (order.status, order.store) == ("paid", "stripe")


def test_the_way_back_from_a_btcpay_server_finds_the_payment(
    shop: Page, settings
) -> None:
    with serving(BTCPayServer()) as gateway:
        gateway.configure(settings)
        shop.reload()
        shop.get_by_role("button", name="Buy with bitcoin: 25,000 credits").click()
        expect(shop.get_by_role("heading", name="Pay with coins")).to_be_visible()
        (invoice,) = gateway.invoices.values()
        invoice |= {"status": "Settled", "paidAmount": invoice["amount"]}
        shop.get_by_role("link", name="Back to the shop").click()
        done = shop.get_by_text("25,000 credits are in your account.")
        expect(done).to_be_visible()  # no webhook was sent
    assert Order.objects.get().store == "btcpay"
