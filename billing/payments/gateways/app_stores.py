"""What purchases in app stores are here: a pack or a plan of ours, and an amount."""

from decimal import Decimal
from typing import TypeVar

from billing.errors import GatewayFailed
from billing.models import Pack, Plan, Store
from billing.payments.gateways.amounts import number, to_minor
from billing.payments.gateways.contract import Money

STORES = {
    "APP_STORE": Store.APP_STORE,
    "MAC_APP_STORE": Store.APP_STORE,
    "PLAY_STORE": Store.PLAY_STORE,
}
"""Our stores by RevenueCat's names; all others are `Store.REVENUECAT`."""
PAGES = {
    Store.APP_STORE: "https://apps.apple.com/account/subscriptions",
    Store.PLAY_STORE: "https://play.google.com/store/account/subscriptions",
}
"""Where customers mend the payment of a plan."""

Product_ = TypeVar("Product_", Pack, Plan)


def product_sold_as(model: type[Product_], product_id: str) -> Product_ | None:
    """Return the pack or plan with a store's product ID, or with our key."""
    rows = model._default_manager.all()
    # A Google subscription is `product:base plan`.
    for name in dict.fromkeys((product_id, product_id.partition(":")[0])):
        for column in ("app_store_product", "play_store_product", "key"):
            if name and (found := rows.filter(**{column: name}).first()):
                return found
    return None


def money_of(
    money_id: str,
    product: Pack | Plan,
    amount: object,
    currency: str,
    tax_share: object,
) -> Money:
    """Return a payment; stores say what it was, or nothing: then it is our price."""
    try:
        paid = number(amount)
        is_known = len(currency) == 3 and currency.isascii() and currency.isupper()
        if not is_known or not paid or paid > 10**7:
            raise GatewayFailed("no price")
        share = number(tax_share or 0)
    except GatewayFailed:
        return Money(id=money_id, amount=product.amount, currency=product.currency)
    tax = paid * min(share, Decimal(1))
    return Money(
        id=money_id,
        amount=to_minor(paid, currency),
        currency=currency,
        tax=to_minor(tax, currency),
    )
