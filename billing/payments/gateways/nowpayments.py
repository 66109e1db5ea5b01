"""NOWPayments: cryptocurrencies, paid on a hosted invoice.

Source: NOWPayments API, Postman documentation, read 2026-11-20. Traps:

- A callback signs a re-serialization of its body, not its bytes: see `canonical`. It has
  no time, so it can be replayed, and its statements are read again before they count.
- An invoice can have several payments: one for each coin that the buyer tries, and a
  repeated deposit is a payment of its own, which may be `finished` for a smaller sum.
- Payments of an invoice can't be listed with an API key. An order whose callbacks were all
  lost is found only if the shop has recurrent notifications turned on.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import (
    GatewayFailed,
    GatewayOff,
    InvalidSignature,
    MalformedCallback,
)
from billing.models import InboxEvent, Order, Pack, Plan, Store
from billing.payments.gateways.amounts import from_minor, number, to_minor
from billing.payments.gateways.client import Client
from billing.payments.gateways.contract import (
    Buyer,
    Callback,
    Checkout,
    Fact,
    Ignored,
    Money,
    Notice,
    NotPaid,
    Paid,
    Refunded,
    Unclear,
)

SIGNATURE = "x-nowpayments-sig"
_UNDER_WAY = ("waiting", "confirming", "confirmed", "sending")
_UNPAID = ("expired", "failed")
_PAGE_ENDS = timedelta(days=7)
"""After which an order without a payment under way counts as expired."""
_LONGEST_INDEX = 10  # digits of an array index in JavaScript
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Access:
    """Our account in one environment."""

    base_url: str
    api_key: str
    ipn_secret: str


class NOWPayments:
    """See the module."""

    name = "nowpayments"
    label = "Cryptocurrency"
    secret_fields: Sequence[str] = ()
    acknowledgement: Mapping[str, object] = {"received": True}

    def is_on(self, environment: Environment) -> bool:
        """Return whether both the API key and the IPN secret are set."""
        access = _access(environment)
        return bool(access.api_key and access.ipn_secret)

    def sells(self, product: Pack | Plan, environment: Environment) -> bool:
        """Return whether it is a pack: nothing can be charged again here."""
        return isinstance(product, Pack)

    def checkout(self, order: Order) -> Checkout:
        """Create an invoice. Two of one order don't harm: a second payment is reviewed."""
        page = settings.BASE_URL + reverse("order-page", args=[order.pk])
        made = _client(Environment(order.environment)).post(
            "/invoice",
            {
                "price_amount": float(from_minor(order.amount, order.currency)),
                "price_currency": order.currency.lower(),
                "order_id": str(order.pk),
                "order_description": order.product.name,
                "ipn_callback_url": settings.BASE_URL
                + reverse("hook", args=[self.name]),
                "success_url": f"{page}?back",
                "cancel_url": page,
            },
        )
        number_of, url = made.get("id"), made.get("invoice_url")
        if not isinstance(number_of, str | int) or not _is_web(url):
            raise GatewayFailed("no invoice")
        return Checkout(str(number_of), str(url))

    def look_up(self, order: Order) -> Sequence[Fact]:
        """Return the state of each payment that a callback has named for an order."""
        environment = Environment(order.environment)
        told = InboxEvent.objects.filter(
            gateway=self.name,
            environment=environment.value,
            received_at__gte=order.created_at,
            body__contains=str(order.pk),
        )
        bodies = [json.loads(body) for body in told.values_list("body", flat=True)]
        payments = sorted({str(body["payment_id"]) for body in bodies})
        found = [_read(payment, environment) for payment in payments]
        facts = [fact for payment in found for fact in _facts(payment, environment)]
        is_open = any(payment["payment_status"] in _UNDER_WAY for payment in found)
        counts = not all(isinstance(fact, Ignored) for fact in facts)
        if (
            not is_open
            and not counts
            and timezone.now() - order.created_at > _PAGE_ENDS
        ):
            unpaid = NotPaid(
                store=Store.NOWPAYMENTS, order_id=order.pk, is_expired=True
            )
            return [*facts, unpaid]
        return facts

    def verify(self, callback: Callback) -> Notice:
        """Check the signature; the environment is that of the secret that made it."""
        secrets = {one: _access(one).ipn_secret for one in Environment}
        if not any(secrets.values()):
            raise GatewayOff(gateway=self.name)
        given = callback.headers.get(SIGNATURE, "").lower().encode()
        try:
            told, text = _parse(callback.body)
        except ValueError as error:
            raise InvalidSignature from error
        for environment, secret in secrets.items():
            mac = hmac.new(secret.encode(), text, hashlib.sha512).hexdigest()
            if secret and hmac.compare_digest(mac.encode(), given):
                return _notice(told, environment)
        raise InvalidSignature

    def facts(self, event: InboxEvent) -> Sequence[Fact]:
        """Read the payment again, and return what it is now."""
        told = json.loads(event.body)
        environment = Environment(event.environment)
        payment = _read(str(told["payment_id"]), environment)
        if told["payment_status"] not in _UNDER_WAY and (
            payment["payment_status"] in _UNDER_WAY
        ):
            raise GatewayFailed("the payment is behind its callback")
        return _facts(payment, environment, event)


def canonical(value: Any) -> str:
    """Return the text that NOWPayments signs: compact JSON with sorted keys.

    It is what JavaScript makes of the body: arrays become objects with their indices as
    keys, such keys come first, by number, and numbers look as they were sent.
    """
    match value:
        case _Lexeme():
            return str(value)
        case dict():
            items = sorted(value.items(), key=lambda item: _javascript_order(item[0]))
            pairs = (f"{_quoted(key)}:{canonical(inner)}" for key, inner in items)
            return "{" + ",".join(pairs) + "}"
        case list():
            return canonical({str(at): inner for at, inner in enumerate(value)})
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


class _Lexeme(str):
    """A number as it was written."""

    __slots__ = ()


def _parse(body: bytes) -> tuple[Any, bytes]:
    """Return a body, and the bytes that its signature is for.

    Raises:
        ValueError: it is no JSON.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        told = json.loads(
            body, parse_float=_Lexeme, parse_int=_Lexeme, parse_constant=refuse
        )
        return told, canonical(told).encode()
    except RecursionError as error:
        raise ValueError("too deep") from error


def _javascript_order(key: str) -> tuple[bool, int, bytes]:
    is_index = (
        key.isascii()
        and key.isdecimal()
        and len(key) <= _LONGEST_INDEX
        and (key == "0" or key[0] != "0")
        and int(key) < 2**32 - 1
    )
    if is_index:
        return False, int(key), b""
    return True, 0, key.encode("utf-16-be", "surrogatepass")


def _quoted(text: str) -> str:
    """Return a JSON text as JavaScript writes it: lone surrogates are escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _notice(told: Any, environment: Environment) -> Notice:
    try:
        payment, status = told["payment_id"], told["payment_status"]
        paid = told.get("actually_paid")
    except (TypeError, KeyError, AttributeError) as error:
        raise MalformedCallback from error
    is_id = isinstance(payment, str) and payment.isascii() and payment.isalnum()
    if not is_id or not isinstance(status, str):
        raise MalformedCallback
    # The same status is sent again after another deposit.
    return Notice(f"{payment}:{status}:{paid}"[:255], status, environment.value)


def _access(environment: Environment) -> _Access:
    if environment is Environment.PRODUCTION:
        return _Access(
            settings.NOWPAYMENTS_BASE_URL,
            settings.NOWPAYMENTS_API_KEY,
            settings.NOWPAYMENTS_IPN_SECRET,
        )
    return _Access(
        settings.NOWPAYMENTS_BASE_URL_TEST,
        settings.NOWPAYMENTS_API_KEY_TEST,
        settings.NOWPAYMENTS_IPN_SECRET_TEST,
    )


def _client(environment: Environment) -> Client:
    access = _access(environment)
    return Client(access.base_url, {"x-api-key": access.api_key})


def _is_web(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://"))


def _read(payment_id: str, environment: Environment) -> dict[str, Any]:
    """Return a payment as it is now.

    Raises:
        GatewayFailed: there is no answer, or it is about something else.
    """
    payment = _client(environment).get(f"/payment/{payment_id}")
    if not isinstance(payment, dict) or str(payment.get("payment_id")) != payment_id:
        raise GatewayFailed("no payment")
    if not isinstance(payment.get("payment_status"), str):
        raise GatewayFailed("no status")
    return payment


def _facts(
    payment: dict[str, Any], environment: Environment, event: InboxEvent | None = None
) -> list[Fact]:
    """Return what a payment is now."""
    status, money_id = payment["payment_status"], str(payment["payment_id"])
    try:
        order_id = UUID(str(payment.get("order_id")))
    except ValueError:
        return [Ignored("It is for no order of ours.")]
    if status in _UNDER_WAY:
        return [Ignored(f"The payment is {status}.")]
    asked, paid = (
        number(payment.get("pay_amount")),
        number(payment["actually_paid"] or 0),
    )
    coin = str(payment.get("pay_currency", ""))[:20].upper()
    sums = f"{paid:f} of {asked:f} {coin}"

    def unclear(reason: str) -> list[Fact]:
        return [
            Unclear(
                store=Store.NOWPAYMENTS,
                order_id=order_id,
                money_id=money_id,
                reason=reason,
            )
        ]

    if status == "refunded":
        if _counted(money_id, environment) or _is_told(money_id, environment, event):
            return [
                Refunded(store=Store.NOWPAYMENTS, money_id=money_id, refund_id=money_id)
            ]
        return unclear("It was paid back before it counted.")
    if status in _UNPAID:
        if paid:
            return unclear(f"Paid too late: {sums}.")
        # The buyer may still pay the invoice with another coin.
        return [Ignored(f"The payment is {status}.")]
    if status == "partially_paid" or (status == "finished" and paid < asked):
        return unclear(f"Only a part was paid: {sums}.")
    if status != "finished":
        raise GatewayFailed("an unknown status")
    if payment.get("parent_payment_id"):
        return unclear(f"A repeated deposit: {sums}.")
    currency = str(payment.get("price_currency", "")).upper()
    return [
        Paid(
            store=Store.NOWPAYMENTS,
            buyer=Buyer(order_id=order_id),
            money=Money(
                id=money_id,
                amount=to_minor(number(payment.get("price_amount")), currency),
                currency=currency,
            ),
            review=f"Paid too much: {sums}." if paid > asked else "",
        )
    ]


def _counted(money_id: str, environment: Environment) -> bool:
    """Return whether an order was paid by this payment."""
    return Order.objects.filter(
        store=Store.NOWPAYMENTS, environment=environment.value, money_id=money_id
    ).exists()


def _is_told(money_id: str, environment: Environment, event: InboxEvent | None) -> bool:
    """Return whether another event of the payment is still to be posted."""
    others = InboxEvent.objects.filter(
        gateway=NOWPayments.name,
        environment=environment.value,
        event_id__startswith=f"{money_id}:",
        settled_at=None,
    )
    if event is not None:
        others = others.exclude(pk=event.pk)
    return others.exists()
