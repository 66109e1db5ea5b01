"""BTCPay Server: Bitcoin and Lightning, paid on an invoice of the operator's own server.

Source: Greenfield API v1 of BTCPay Server 2.4, its OpenAPI files, read 2026-11-20. Traps:

- A webhook is signed without a time, so it can be replayed; only 5xx, 429, 408 and silence
  are repeated, from a queue in memory. So invoices are always read again, and looked up.
- Creating an invoice is not idempotent: it is searched for by its order first.
- An invoice without an amount is settled by any payment.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
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
    Payment,
    Refunded,
    Unclear,
    Unprocessable,
)

SIGNATURE = "btcpay-sig"
_OPEN = ("New", "Processing")
_STATES = (*_OPEN, "Expired", "Invalid", "Settled")
_PAGE = 100  # invoices
_SKEW = timedelta(minutes=5)  # of the server's clock
_FINAL_EVENTS = ("InvoiceSettled", "InvoiceExpired", "InvoiceInvalid")


@dataclass(frozen=True, slots=True)
class _Access:
    """Our store in one environment."""

    url: str
    api_key: str
    store: str
    secret: str


class BTCPay:
    """See the module."""

    name = "btcpay"
    label = "Bitcoin"
    secret_fields: Sequence[str] = ()
    acknowledgement: Mapping[str, object] = {"received": True}

    def is_on(self, environment: Environment) -> bool:
        """Return whether the server, its store and both keys are set."""
        access = _access(environment)
        return all((access.url, access.api_key, access.store, access.secret))

    def sells(self, product: Pack | Plan, environment: Environment) -> bool:
        """Return whether it is a pack: nothing can be charged again here."""
        return isinstance(product, Pack)

    def checkout(self, order: Order) -> Checkout:
        """Return the order's open invoice; create it if there is none."""
        environment = Environment(order.environment)
        invoices = f"/api/v1/stores/{_store(environment)}/invoices"
        client = _client(environment)
        found = client.call("GET", invoices, query={"orderId": str(order.pk)})
        if not isinstance(found, list):
            raise GatewayFailed("no list of invoices")
        for invoice in found:
            if _order_id(invoice) == order.pk and invoice.get("status") == "New":
                return _checkout(invoice)
        page = settings.BASE_URL + reverse("order-page", args=[order.pk])
        made = client.post(
            invoices,
            {
                "amount": f"{from_minor(order.amount, order.currency):f}",
                "currency": order.currency,
                "metadata": {
                    "orderId": str(order.pk),
                    "itemDesc": order.product.name,
                },
                "checkout": {
                    "expirationMinutes": 60,
                    "monitoringMinutes": 1440,
                    "paymentTolerance": 0,
                    "redirectURL": f"{page}?back",
                    "redirectAutomatically": True,
                },
            },
        )
        if _order_id(made) != order.pk:
            raise GatewayFailed("an invoice of another order")
        return _checkout(made)

    def look_up(self, order: Order) -> Sequence[Fact]:
        """Return the state of each invoice of an order; a settled one comes first."""
        environment = Environment(order.environment)
        found = _client(environment).call(
            "GET",
            f"/api/v1/stores/{_store(environment)}/invoices",
            query={"orderId": str(order.pk)},
        )
        if not isinstance(found, list):
            raise GatewayFailed("no list of invoices")
        invoices = [_checked(one) for one in found if _order_id(one) == order.pk]
        is_open = any(one["status"] in _OPEN for one in invoices)
        facts = [fact for one in invoices for fact in _facts(one, environment)]
        # An invoice that expired says nothing while another one may still be paid.
        return [
            fact
            for fact in sorted(facts, key=lambda fact: not isinstance(fact, Paid))
            if not (is_open and isinstance(fact, NotPaid))
        ]

    def payments(
        self, environment: Environment, since: datetime, until: datetime
    ) -> Iterator[Payment]:
        """Yield the invoices that were paid, also those that were marked invalid later."""
        for status in ("Settled", "Invalid"):
            for invoice in _listed(environment, status, since, until):
                if status == "Invalid" and not _counted(invoice["id"], environment):
                    continue
                currency = str(invoice.get("currency", ""))
                amount = to_minor(number(invoice.get("amount")), currency)
                yield Payment(
                    money_id=invoice["id"],
                    amount=amount,
                    currency=currency,
                    created_at=_created_at(invoice),
                    refunded=amount if status == "Invalid" else None,
                    is_ours=_order_id(invoice) is not None,
                )

    def missed(
        self, environment: Environment, since: datetime, known: Collection[str]
    ) -> Iterator[tuple[Notice, bytes]]:
        """Yield an event for each invoice that settled and paid no order.

        Webhooks can't be listed. The events are made here, and the invoice is read again.
        """
        for invoice in _listed(environment, "Settled", since, timezone.now() + _SKEW):
            event_id = f"{invoice['id']}:settled"
            if (
                event_id in known
                or _order_id(invoice) is None
                or _counted(invoice["id"], environment)
            ):
                continue
            told = {
                "type": "InvoiceSettled",
                "storeId": _access(environment).store,
                "invoiceId": invoice["id"],
            }
            notice = Notice(event_id, "InvoiceSettled", environment.value)
            yield notice, json.dumps(told).encode()

    def verify(self, callback: Callback) -> Notice:
        """Check the signature; the environment is that of the secret that made it."""
        secrets = {one: _access(one).secret for one in Environment}
        if not any(secrets.values()):
            raise GatewayOff(gateway=self.name)
        given = callback.headers.get(SIGNATURE, "").encode()
        for environment, secret in secrets.items():
            mac = hmac.new(secret.encode(), callback.body, hashlib.sha256).hexdigest()
            if secret and hmac.compare_digest(f"sha256={mac}".encode(), given):
                return _notice(callback.body, environment)
        raise InvalidSignature

    def facts(self, event: InboxEvent) -> Sequence[Fact]:
        """Read the invoice again, and return what it is now."""
        told = json.loads(event.body)
        environment = Environment(event.environment)
        invoice_id = told.get("invoiceId")
        if not invoice_id:
            return [Ignored(f"{event.type} is about no invoice.")]
        if told.get("storeId") != _access(environment).store:
            raise Unprocessable("It is from another store than BTCPAY_STORE.")
        path = f"/api/v1/stores/{_store(environment)}/invoices/"
        invoice = _checked(_client(environment).get(path + _in_path(invoice_id)))
        if invoice["id"] != invoice_id:
            raise GatewayFailed("another invoice")
        if event.type in _FINAL_EVENTS and invoice["status"] in _OPEN:
            raise GatewayFailed("the invoice is behind its webhook")
        return _facts(invoice, environment)


def _listed(
    environment: Environment, status: str, since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the invoices with a status that were created in that time, page by page."""
    client, skip = _client(environment), 0
    while True:
        page = client.call(
            "GET",
            f"/api/v1/stores/{_store(environment)}/invoices",
            query={
                "status": status,
                "startDate": int(since.timestamp()),
                "endDate": int(until.timestamp()),
                "skip": skip,
                "take": _PAGE,
            },
        )
        if not isinstance(page, list):
            raise GatewayFailed("no list of invoices")
        yield from map(_checked, page)
        if len(page) < _PAGE:
            return
        skip += _PAGE


def _created_at(invoice: Mapping[str, Any]) -> datetime:
    seconds = invoice.get("createdTime")
    if not isinstance(seconds, int) or not 0 <= seconds < 2**33:
        raise GatewayFailed("no time")
    return datetime.fromtimestamp(seconds, UTC)


def _notice(body: bytes, environment: Environment) -> Notice:
    try:
        told = json.loads(body)
        delivery = told.get("originalDeliveryId") or told["deliveryId"]
        kind = told["type"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedCallback from error
    except RecursionError as error:
        raise MalformedCallback from error
    if not isinstance(delivery, str) or not isinstance(kind, str):
        raise MalformedCallback
    return Notice(delivery, kind, environment.value)


def _access(environment: Environment) -> _Access:
    if environment is Environment.PRODUCTION:
        return _Access(
            settings.BTCPAY_URL,
            settings.BTCPAY_API_KEY,
            settings.BTCPAY_STORE,
            settings.BTCPAY_WEBHOOK_SECRET,
        )
    return _Access(
        settings.BTCPAY_URL_TEST,
        settings.BTCPAY_API_KEY_TEST,
        settings.BTCPAY_STORE_TEST,
        settings.BTCPAY_WEBHOOK_SECRET_TEST,
    )


def _client(environment: Environment) -> Client:
    access = _access(environment)
    return Client(access.url, {"Authorization": f"token {access.api_key}"})


def _store(environment: Environment) -> str:
    return _in_path(_access(environment).store)


def _in_path(value: object) -> str:
    return quote(str(value), safe="")


def _order_id(invoice: object) -> UUID | None:
    """Return the order that an invoice names; None if it is no order of ours."""
    metadata = invoice.get("metadata") if isinstance(invoice, dict) else None
    named = metadata.get("orderId") if isinstance(metadata, dict) else None
    try:
        return UUID(str(named))
    except ValueError:
        return None


def _checkout(invoice: dict[str, Any]) -> Checkout:
    url = invoice.get("checkoutLink")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise GatewayFailed("no page to pay at")
    return Checkout(str(_checked(invoice)["id"]), url)


def _checked(invoice: object) -> dict[str, Any]:
    """Return an invoice if it is one.

    Raises:
        GatewayFailed: it is not what the server documents.
    """
    if (
        not isinstance(invoice, dict)
        or not isinstance(invoice.get("id"), str)
        or invoice.get("status") not in _STATES
    ):
        raise GatewayFailed("no invoice")
    return invoice


def _facts(invoice: dict[str, Any], environment: Environment) -> list[Fact]:
    """Return what an invoice is now."""
    status, exception = invoice["status"], invoice.get("additionalStatus", "None")
    order_id = _order_id(invoice)
    if order_id is None:
        return [Ignored("It is for no order of ours.")]
    if status in _OPEN:
        return [Ignored(f"The invoice is {status.lower()}.")]
    currency = str(invoice.get("currency", ""))
    asked = number(invoice.get("amount"))
    paid = number(invoice.get("paidAmount") or 0)
    sums = f"{paid:f} of {asked:f} {currency}"

    def unclear(reason: str) -> list[Fact]:
        return [
            Unclear(
                store=Store.BTCPAY,
                order_id=order_id,
                money_id=invoice["id"],
                reason=reason,
            )
        ]

    if exception == "PaidLate":
        return unclear(f"Paid too late: {sums}.")
    if status == "Settled" and exception != "PaidPartial":
        # "Marked": the store's operator has decided that it is paid.
        return [
            Paid(
                store=Store.BTCPAY,
                buyer=Buyer(order_id=order_id),
                money=Money(
                    id=invoice["id"],
                    amount=to_minor(asked, currency),
                    currency=currency,
                ),
                review=f"Paid too much: {sums}." if exception == "PaidOver" else "",
            )
        ]
    if status == "Invalid" and _counted(invoice["id"], environment):
        # It had settled, and the store's operator has marked it since.
        return [
            Refunded(
                store=Store.BTCPAY,
                money_id=invoice["id"],
                refund_id=f"{invoice['id']}:invalid",
            )
        ]
    if exception == "PaidPartial" or (paid and status == "Expired"):
        return unclear(f"Only a part was paid: {sums}.")
    if paid:
        return unclear(f"Paid, but not confirmed in time: {sums}.")
    return [
        NotPaid(
            store=Store.BTCPAY,
            order_id=order_id,
            is_expired=status == "Expired",
            error="" if status == "Expired" else "The payment was not confirmed.",
        )
    ]


def _counted(invoice_id: str, environment: Environment) -> bool:
    """Return whether an order was paid by this invoice."""
    return Order.objects.filter(
        store=Store.BTCPAY, environment=environment.value, money_id=invoice_id
    ).exists()
