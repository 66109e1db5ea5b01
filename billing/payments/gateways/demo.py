"""The demo gateway: in development, orders are paid on a page of our own, without money.

Everything else is as with a real gateway: a signed callback, the inbox, the ledger. It is
off unless DEVELOPMENT is on.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.caller import Environment
from billing.errors import GatewayOff, InvalidSignature, MalformedCallback
from billing.models import InboxEvent, Order, Pack, Plan, Refund, Store, Term
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
    Renewed,
    Unprocessable,
)
from billing.plans.months import add_months

SIGNATURE = "demo-signature"
_TOLERANCE = 300  # seconds


class Demo:
    """See the module."""

    name = "demo"
    label = "the demo, without money"
    secret_fields: Sequence[str] = ()
    acknowledgement: Mapping[str, object] = {"received": True}

    def is_on(self, environment: Environment) -> bool:
        """Return whether this installation is for development."""
        return bool(settings.DEVELOPMENT)

    def sells(self, product: Pack | Plan, environment: Environment) -> bool:
        """Return True: it sells everything."""
        return True

    def checkout(self, order: Order) -> Checkout:
        """Return the page of our own on which `order` is paid."""
        page = settings.BASE_URL + reverse("demo-pay", args=[order.pk])
        return Checkout(f"demo_{order.pk.hex}", page)

    def look_up(self, order: Order) -> Sequence[Fact]:
        """Return nothing: only the page knows whether it was used."""
        return ()

    def refund(self, refund: Refund) -> Sequence[Fact]:
        """Pay back, which takes no time here."""
        return [
            Refunded(
                store=Store.DEMO,
                money_id=refund.order.money_id,
                refund_id=f"demo_re_{refund.pk.hex}",
                amount=refund.amount,
                refund=refund.pk,
            )
        ]

    def callback(self, order: Order, outcome: str) -> Callback:
        """Return the signed callback of an order that was paid, or not (`canceled`)."""
        body = json.dumps(
            {
                "id": f"demo_evt_{order.pk.hex}_{outcome}",
                "type": f"order.{outcome}",
                "environment": order.environment,
                "order": str(order.pk),
                "amount": order.amount,
                "currency": order.currency,
            }
        ).encode()
        return Callback({SIGNATURE: sign(body, int(time.time()))}, body)

    def verify(self, callback: Callback) -> Notice:
        """Check the signature, which is made as Stripe's."""
        if not settings.DEVELOPMENT:
            raise GatewayOff(gateway=self.name)
        given = callback.headers.get(SIGNATURE, "")
        at, _, _ = given.removeprefix("t=").partition(",")
        if not at.isascii() or not at.isdecimal() or len(at) > 12:
            raise InvalidSignature
        if not hmac.compare_digest(
            sign(callback.body, int(at)).encode(), given.encode()
        ):
            raise InvalidSignature
        if abs(time.time() - int(at)) > _TOLERANCE:
            raise InvalidSignature
        try:
            event = json.loads(callback.body)
            return Notice(event["id"], event["type"], event["environment"])
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedCallback from error

    def facts(self, event: InboxEvent) -> Sequence[Fact]:
        """Return that an order was paid, or not."""
        told: dict[str, Any] = json.loads(event.body)
        order = Order.objects.filter(pk=UUID(told["order"])).first()
        if order is None:
            raise Unprocessable("There is no such order.")
        if event.type == "order.canceled":
            return [NotPaid(store=Store.DEMO, order_id=order.pk, error="Canceled")]
        if event.type != "order.paid":
            return [Ignored(f"Nothing is posted for {event.type}.")]
        return list(_paid(order, told))


def sign(body: bytes, at: int) -> str:
    """Return the signature of a body at a time in Unix seconds."""
    key = salted_hmac("billing.payments.demo", "", algorithm="sha256").digest()
    mac = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def _paid(order: Order, told: dict[str, Any]) -> Iterator[Fact]:
    buyer = Buyer(order_id=order.pk)
    money = Money(
        id=f"demo_{order.pk.hex}", amount=told["amount"], currency=told["currency"]
    )
    if order.plan is None:
        yield Paid(store=Store.DEMO, buyer=buyer, money=money)
        return
    begins = order.created_at
    ends = add_months(begins, Term(order.plan.term).months, day=begins.day)
    yield Renewed(
        store=Store.DEMO,
        buyer=buyer,
        subscription_id=f"demo_sub_{order.pk.hex}",
        money=money,
        period_start=begins,
        period_end=max(ends, timezone.now() + timedelta(days=1)),
    )
