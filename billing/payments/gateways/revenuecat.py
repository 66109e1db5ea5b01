"""RevenueCat: purchases in the app stores, as it reports them.

Source: its webhook documentation of 2026-02-20, read 2026-11-20. Traps:

- A refund is a CANCELLATION with the reason CUSTOMER_SUPPORT; older clients send REFUND.
- Prices are doubles in dollars, or unknown. What a product is worth is in our catalogue.
- One address gets both environments, and one customer has purchases in both.
- A PRODUCT_CHANGE is an intention; the next RENEWAL has the new product.
- A TRANSFER names customers only: it concerns all of their purchases.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from accounts.caller import Environment
from billing.errors import (
    GatewayFailed,
    GatewayOff,
    InvalidSignature,
    MalformedCallback,
)
from billing.models import InboxEvent, Order, Pack, Plan, Store
from billing.payments import customers
from billing.payments.gateways.app_stores import (
    PAGES,
    STORES,
    money_of,
    product_sold_as,
)
from billing.payments.gateways.contract import (
    Buyer,
    Callback,
    Changed,
    Ended,
    Fact,
    Ignored,
    Money,
    Notice,
    Paid,
    PastDue,
    Refunded,
    RefundFailed,
    Renewed,
    Transferred,
    Unprocessable,
)
from billing.payments.gateways.subscribers import look_up

SIGNATURE = "x-revenuecat-webhook-signature"
_TOLERANCE = 300  # seconds
_IN_APP = [store for store in Store if store.is_in_app]


class RevenueCat:
    """See the module."""

    name = "revenuecat"
    label = "App stores"
    secret_fields: Sequence[str] = ()
    acknowledgement: Mapping[str, object] = {"success": True}

    def verify(self, callback: Callback) -> Notice:
        """Check the `Authorization`, the signature, or both, as they are set."""
        header, secret = (
            settings.REVENUECAT_WEBHOOK_AUTH,
            settings.REVENUECAT_WEBHOOK_SECRET,
        )
        if not header and not secret:
            raise GatewayOff(gateway=self.name)
        if header:
            given = callback.headers.get("authorization", "")
            if not hmac.compare_digest(
                given.encode("latin-1", "replace"), header.encode()
            ):
                raise InvalidSignature
        if secret:
            _check_signature(callback, secret)
        return _notice(callback.body)

    def facts(self, event: InboxEvent) -> Sequence[Fact]:
        """Return what an event states."""
        told: dict[str, Any] = json.loads(event.body)["event"]
        read = _READERS.get(event.type)
        if read is None:
            return [Ignored(f"Nothing is posted for {event.type}.")]
        if told.get("is_family_share") is True:
            return [Ignored("It is shared with the family, and paid for by another.")]
        if told.get("store") == "PROMOTIONAL":
            return [Ignored("It was given, not bought.")]
        if told.get("store") == "TEST_STORE" and (
            event.environment == Environment.PRODUCTION
        ):
            return [Ignored("It is from the test store.")]
        return read(told, event)


def _check_signature(callback: Callback, secret: str) -> None:
    """Check `t=<Unix seconds>,v1=<hex>`, with several `v1` while a secret is replaced."""
    parts = [
        part.strip().partition("=")
        for part in callback.headers.get(SIGNATURE, "").split(",")
    ]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    at = times[0] if len(times) == 1 else ""
    if not (at.isascii() and at.isdecimal() and len(at) <= 12):
        raise InvalidSignature
    signed = f"{at}.".encode() + callback.body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
    if not any(hmac.compare_digest(mac, one.encode()) for one in given):
        raise InvalidSignature
    if abs(time.time() - int(at)) > _TOLERANCE:
        raise InvalidSignature


def _notice(body: bytes) -> Notice:
    try:
        event = json.loads(body)["event"]
        event_id, kind = event["id"], event["type"]
        # Samples of TRANSFER have no environment.
        default = Environment.PRODUCTION.value if kind == "TRANSFER" else ""
        environment = event.get("environment", default)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedCallback from error
    if not (isinstance(event_id, str) and isinstance(kind, str)):
        raise MalformedCallback
    return Notice(event_id, kind, str(environment))


def _ids(told: Mapping[str, Any]) -> list[str]:
    """Return the IDs of an event's customer, the one that was used last first."""
    aliases = told.get("aliases")
    named = [
        told.get("app_user_id"),
        told.get("original_app_user_id"),
        *(aliases if isinstance(aliases, list) else ()),
    ]
    return [one for one in named if isinstance(one, str) and one]


def _text(told: Mapping[str, Any], name: str) -> str:
    """Return a text of an event.

    Raises:
        Unprocessable: it has none.
    """
    value = told.get(name)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= 190
        or not value.isprintable()
    ):
        raise Unprocessable(f"It has no {name}.")
    return value


def _moment(told: Mapping[str, Any], name: str) -> datetime:
    """Return a time of an event, which it has in milliseconds.

    Raises:
        Unprocessable: it has none.
    """
    value = told.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            pass
    raise Unprocessable(f"It has no {name}.")


def _store(told: Mapping[str, Any], environment: str, transaction_id: str) -> Store:
    """Return the store of an event; if it names none, that of the purchase we know."""
    if named := told.get("store"):
        return STORES.get(str(named), Store.REVENUECAT)
    rows = Order.objects.filter(store__in=_IN_APP, environment=environment)
    known = rows.filter(money_id=transaction_id).values_list("store", flat=True).first()
    return Store(known) if known else Store.APP_STORE


def _told_money(told: Mapping[str, Any], money_id: str, product: Pack | Plan) -> Money:
    return money_of(
        money_id,
        product,
        told.get("price_in_purchased_currency"),
        str(told.get("currency") or ""),
        told.get("tax_percentage"),
    )


def _require_listed(told: Mapping[str, Any], event: InboxEvent, money_id: str) -> None:
    """Read the customer again, if that is on: the purchase has to be there.

    Raises:
        GatewayFailed: it is not, or RevenueCat does not answer; it is tried again.
    """
    if not (settings.REVENUECAT_VERIFY and settings.REVENUECAT_API_KEY):
        return
    ids = _ids(told)
    if not ids or not look_up(ids[0]).has(money_id, event.environment):
        raise GatewayFailed("the purchase is not listed")


def _pack_bought(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    money_id, product_id = _text(told, "transaction_id"), _text(told, "product_id")
    pack = product_sold_as(Pack, product_id)
    if pack is None:
        raise Unprocessable(f"No pack is sold as {product_id}.")
    _require_listed(told, event, money_id)
    workspace = customers.introduce(_ids(told))
    return [
        Paid(
            store=_store(told, event.environment, money_id),
            buyer=Buyer(workspace_id=workspace.pk, product=pack.key),
            money=_told_money(told, money_id, pack),
        )
    ]


def _period_bought(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    money_id, product_id = _text(told, "transaction_id"), _text(told, "product_id")
    plan = product_sold_as(Plan, product_id)
    if plan is None:
        raise Unprocessable(f"No plan is sold as {product_id}.")
    begins, ends = _moment(told, "purchased_at_ms"), _moment(told, "expiration_at_ms")
    if begins >= ends:
        raise Unprocessable("Its period ends before it begins.")
    _require_listed(told, event, money_id)
    workspace = customers.introduce(_ids(told))
    is_trial = told.get("period_type") == "TRIAL"
    chain = _subscription_of(told)
    money = (
        Money(id=money_id, amount=0, currency=plan.currency)
        if is_trial
        else _told_money(told, money_id, plan)
    )
    return [
        Renewed(
            store=_store(told, event.environment, money_id),
            buyer=Buyer(workspace_id=workspace.pk, product=plan.key),
            subscription_id=chain,
            money=money,
            period_start=begins,
            period_end=ends,
            is_trial=is_trial,
            account=chain,
        )
    ]


def _canceled(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    reason = told.get("cancel_reason")
    if reason == "CUSTOMER_SUPPORT":
        return _refunded(told, event)
    if reason == "BILLING_ERROR":
        return _past_due(told, event)
    return [_changed(told, event, is_canceled=True)]


def _refunded(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    money_id = _text(told, "transaction_id")
    store = _store(told, event.environment, money_id)
    return [Refunded(store=store, money_id=money_id, refund_id=f"refund:{money_id}")]


def _refund_reversed(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    money_id = _text(told, "transaction_id")
    store = _store(told, event.environment, money_id)
    return [
        RefundFailed(store=store, money_id=money_id, refund_id=f"refund:{money_id}")
    ]


def _uncanceled(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    return [_changed(told, event, is_canceled=False)]


def _past_due(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    store, chain, ends = _subscription(told, event)
    return [
        PastDue(
            store=store,
            subscription_id=chain,
            pay_url=PAGES.get(store, ""),
            period_end=ends,
        )
    ]


def _expired(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    store, chain, ends = _subscription(told, event)
    return [Ended(store=store, subscription_id=chain, period_end=ends)]


def _product_changed(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    return [Ignored("The new product counts from its first payment on.")]


def _transferred(told: Mapping[str, Any], event: InboxEvent) -> list[Fact]:
    """Return that purchases were moved."""
    sources, targets = told.get("transferred_from"), told.get("transferred_to")
    if not isinstance(sources, list) or not isinstance(targets, list):
        raise Unprocessable("It does not say from whom, or to whom.")
    receivers = [one for one in targets if isinstance(one, str) and one]
    if not receivers:
        raise Unprocessable("It does not say to whom.")
    target = customers.find(receivers)
    found = [customers.find([one]) for one in sources if isinstance(one, str)]
    ids = list(dict.fromkeys(row.pk for row in found if row and row != target))
    if not ids:
        return [Ignored("Those who had the purchases are unknown here.")]
    return [
        Transferred(
            transfer_id=event.event_id,
            sources=ids,
            target=target.pk if target else None,
            receiver=receivers[0],
        )
    ]


def _changed(told: Mapping[str, Any], event: InboxEvent, *, is_canceled: bool) -> Fact:
    product_id = str(told.get("product_id", ""))
    if product_id and product_sold_as(Pack, product_id):
        return Ignored("A pack does not renew.")
    store, chain, ends = _subscription(told, event)
    return Changed(
        store=store,
        subscription_id=chain,
        cancel_at_period_end=is_canceled,
        period_end=ends,
    )


def _subscription_of(told: Mapping[str, Any]) -> str:
    """Return the ID of a subscription: that of its first transaction."""
    if told.get("original_transaction_id"):
        return _text(told, "original_transaction_id")
    return _text(told, "transaction_id")


def _subscription(
    told: Mapping[str, Any], event: InboxEvent
) -> tuple[Store, str, datetime | None]:
    """Return the store, the ID and the end of the period of an event's subscription."""
    chain = _subscription_of(told)
    transaction_id = str(told.get("transaction_id") or chain)
    ends = _moment(told, "expiration_at_ms") if told.get("expiration_at_ms") else None
    return _store(told, event.environment, transaction_id), chain, ends


_READERS = {
    "NON_RENEWING_PURCHASE": _pack_bought,
    "INITIAL_PURCHASE": _period_bought,
    "RENEWAL": _period_bought,
    "REFUND": _refunded,
    "REFUND_REVERSED": _refund_reversed,
    "CANCELLATION": _canceled,
    "UNCANCELLATION": _uncanceled,
    "BILLING_ISSUE": _past_due,
    "EXPIRATION": _expired,
    "PRODUCT_CHANGE": _product_changed,
    "TRANSFER": _transferred,
}
