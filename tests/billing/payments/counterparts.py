"""Local imitations of payment gateways: strict about requests, and able to fail.

What they state, they send as callbacks, which a test repeats, reorders, delays or drops.
"""

import hashlib
import hmac
import json
import random
import time
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.caller import Environment
from billing.models import InboxEvent, Order
from billing.payments import posting
from billing.payments.gateways import client, registry
from billing.payments.gateways.contract import Callback, Checkout
from kit.http.clock import Limits
from kit.http.session import session
from kit.ids import new_id
from tests.billing.payments.paying import order, process, send
from tests.providers.vendors.server import Asked, Fault, Reply, Vendor, json_reply

FAULTS = [
    Fault.RATE,
    Fault.BROKEN,
    Fault.REDIRECT,
    Fault.HTML,
    Fault.JSON,
    Fault.EMPTY,
    Fault.RESET,
    Fault.DRIP,
]
"""Down, slow, or nonsense."""
IMPATIENT = Limits(connect=1, first_byte=0.2, quiet=0.2, total=0.3)


class Counterpart(Vendor):
    """A gateway's API. Every request can meet a fault."""

    gateway = ""
    environment = "PRODUCTION"

    def __init__(self) -> None:
        super().__init__()
        self.number = random.randrange(10**8, 10**9)

    def configure(self, settings: Any) -> None:
        """Let the adapter use this server, in this environment."""
        twin = "" if self.environment == "PRODUCTION" else "_TEST"
        for name, value in self.settings().items():
            setattr(settings, name + twin, value)

    def settings(self) -> dict[str, str]:
        raise NotImplementedError

    def is_speech(self, asked: Asked) -> bool:
        return True

    def refuse(self, status: int, code: str) -> Reply:
        return json_reply({"statusCode": status, "code": code}, status)

    def answer(self, asked: Asked) -> Reply:
        """Return its page to pay at, which needs no key, or the answer of its API."""
        if asked.is_get("/favicon.ico"):
            return Reply(204)
        if asked.is_get("/i") and self.fault is None:
            back = self.back_to(asked.query["id"][0])
            text = f'<h1>Pay with coins</h1><a href="{back}">Back to the shop</a>'
            return Reply(200, "text/html", text.encode())
        return super().answer(asked)

    def back_to(self, page: str) -> str:
        """Return the address to which buyers come back from a page to pay at."""
        raise NotImplementedError

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def signed(self, told: Any) -> Callback:
        """Return what it sends to state something."""
        raise NotImplementedError


class NOWPaymentsServer(Counterpart):
    """NOWPayments, as its documentation defines it."""

    gateway = "nowpayments"
    base_path = "/v1"
    key = "NOWP-K3Y"
    secret = "ipn-s3cret"
    flow = ("waiting", "confirming", "confirmed", "sending", "finished")

    def __init__(self) -> None:
        super().__init__()
        self.payments: dict[int, dict[str, Any]] = {}
        self.pages: dict[str, str] = {}

    def back_to(self, page: str) -> str:
        return self.pages[page]

    def settings(self) -> dict[str, str]:
        return {
            "NOWPAYMENTS_BASE_URL": self.url + self.base_path,
            "NOWPAYMENTS_API_KEY": self.key,
            "NOWPAYMENTS_IPN_SECRET": self.secret,
        }

    def has_key(self, asked: Asked) -> bool:
        return asked.headers["x-api-key"] == self.key

    def reply(self, asked: Asked) -> Reply:
        if (asked.method, asked.path) == ("POST", "/v1/invoice"):
            body = asked.json
            assert body.keys() == {
                *("price_amount", "price_currency", "order_id", "order_description"),
                *("ipn_callback_url", "success_url", "cancel_url"),
            }
            assert body["price_amount"] > 0
            assert body["price_currency"] == body["price_currency"].lower()
            UUID(body["order_id"])
            number = str(self.next_number())
            self.pages[number] = body["success_url"]
            url = f"{self.url}/i?id={number}"
            return json_reply({"id": number, "invoice_url": url, **body})
        assert asked.method == "GET"
        assert not asked.body
        prefix, _, number = asked.path.rpartition("/")
        assert prefix == "/v1/payment"
        found = self.payments.get(int(number))
        return json_reply(found) if found else self.refuse(404, "NOT_FOUND")

    def pay(self, order: Order, status: str = "finished", **fields: Any) -> int:
        """Let a payment of an order have a status; return its ID."""
        number = self.next_number()
        self.payments[number] = {
            "payment_id": number,
            "parent_payment_id": None,
            "invoice_id": 4_522_625_843,
            "payment_status": status,
            "pay_address": "0x" + "ab" * 20,
            "payin_extra_id": None,
            "price_amount": order.amount / 100,
            "price_currency": order.currency.lower(),
            "pay_amount": 0.00005678,
            "actually_paid": 0.00005678,
            "actually_paid_at_fiat": 0,
            "pay_currency": "btc",
            "order_id": str(order.pk),
            "order_description": "25,000 crédits",
            "purchase_id": "5312822613",
            "outcome_amount": 1.234e-05,
            "outcome_currency": "btc",
            "payment_extra_ids": None,
            "fee": {"currency": "btc", "depositFee": 0.0000001, "withdrawalFee": 0},
            "updated_at": 1_606_780_000_000,
            **fields,
        }
        return number

    def told(self, number: int, status: str | None = None) -> Callback:
        """Return the callback of a payment, as it is or with an earlier status."""
        payment = dict(self.payments[number])
        if status:
            payment["payment_status"] = status
        if status in ("waiting", "confirming"):
            payment["actually_paid"] = 0
        return self.signed(payment)

    def bought(self, order: Order) -> tuple[str, list[Callback]]:
        """Let an order be paid; return the payment's ID, and all that is sent of it."""
        number = self.pay(order)
        return str(number), [self.told(number, status) for status in self.flow]

    def paid_back(self, money_id: str) -> Callback:
        self.payments[int(money_id)]["payment_status"] = "refunded"
        return self.told(int(money_id))

    def signed(self, told: Any) -> Callback:
        body = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
        text = json.dumps(
            told, separators=(",", ":"), ensure_ascii=False, sort_keys=True
        )
        mac = hmac.new(self.secret.encode(), text.encode(), hashlib.sha512)
        return Callback({"x-nowpayments-sig": mac.hexdigest()}, body.encode())


class NOWPaymentsSandbox(NOWPaymentsServer):
    environment = "SANDBOX"
    key = "NOWP-TEST-K3Y"
    secret = "ipn-test-s3cret"


class BTCPayServer(Counterpart):
    """BTCPay Server, as its OpenAPI files define it."""

    gateway = "btcpay"
    key = "btcp4y-k3y"
    secret = "btcp4y-s3cret"
    store = "9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776"

    def __init__(self) -> None:
        super().__init__()
        self.invoices: dict[str, dict[str, Any]] = {}

    def back_to(self, page: str) -> str:
        return str(self.invoices[page]["checkout"]["redirectURL"])

    def settings(self) -> dict[str, str]:
        return {
            "BTCPAY_URL": self.url,
            "BTCPAY_API_KEY": self.key,
            "BTCPAY_STORE": self.store,
            "BTCPAY_WEBHOOK_SECRET": self.secret,
        }

    def has_key(self, asked: Asked) -> bool:
        return asked.headers["Authorization"] == f"token {self.key}"

    def reply(self, asked: Asked) -> Reply:
        root = f"/api/v1/stores/{self.store}/invoices"
        if (asked.method, asked.path) == ("POST", root):
            body = asked.json
            assert body.keys() == {"amount", "currency", "metadata", "checkout"}
            assert isinstance(body["amount"], str)
            assert body["checkout"].keys() == {
                *("expirationMinutes", "monitoringMinutes", "paymentTolerance"),
                *("redirectURL", "redirectAutomatically"),
            }
            return json_reply(self.create(**body))
        assert asked.method == "GET"
        assert not asked.body
        if asked.path == root:
            if "status" in asked.query:
                return json_reply(self.listed(asked.query))
            assert asked.query.keys() == {"orderId"}
            wanted = asked.query["orderId"][0]
            return json_reply(
                [
                    one
                    for one in self.invoices.values()
                    if one["metadata"].get("orderId") == wanted
                ]
            )
        prefix, _, number = asked.path.rpartition("/")
        assert prefix == root
        found = self.invoices.get(number)
        return json_reply(found) if found else self.refuse(404, "invoice-not-found")

    def listed(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        assert query.keys() == {"status", "startDate", "endDate", "skip", "take"}
        numbers = {name: int(query[name][0]) for name in query.keys() - {"status"}}
        found = [
            one
            for one in self.invoices.values()
            if one["status"] in query["status"]
            and numbers["startDate"] <= one["createdTime"] <= numbers["endDate"]
        ]
        return found[numbers["skip"] :][: numbers["take"]]

    def create(self, **fields: Any) -> dict[str, Any]:
        number = f"inv{self.next_number()}"
        self.invoices[number] = {
            "id": number,
            "storeId": self.store,
            "checkoutLink": f"{self.url}/i?id={number}",
            "status": "New",
            "additionalStatus": "None",
            "paidAmount": "0",
            "createdTime": int(time.time()),
            "expirationTime": 1_606_783_600,
            "monitoringExpiration": 1_606_870_000,
            "type": "Standard",
            "archived": False,
            **fields,
        }
        return self.invoices[number]

    def pay(
        self, order: Order, status: str = "Settled", extra: str = "None", **fields: Any
    ) -> str:
        """Let an invoice of an order have a status; return its ID."""
        amount = f"{order.amount / 100:.2f}"
        made = self.create(
            amount=amount,
            currency=order.currency,
            metadata={"orderId": str(order.pk)},
        )
        paid = "0" if extra == "None" and status != "Settled" else amount
        made |= {"status": status, "additionalStatus": extra, "paidAmount": paid}
        made |= fields
        return str(made["id"])

    def told(self, invoice: str, kind: str = "InvoiceSettled") -> Callback:
        """Return the webhook of an invoice."""
        return self.signed(
            {
                "deliveryId": str(new_id()),
                "webhookId": "6vKCrUVnUEsR7rcdEFqGLU",
                "originalDeliveryId": f"{invoice}{kind}",
                "isRedelivery": False,
                "type": kind,
                "timestamp": 1_606_780_000,
                "storeId": self.store,
                "invoiceId": invoice,
                "metadata": self.invoices[invoice]["metadata"],
                "overPaid": False,
                "manuallyMarked": False,
            }
        )

    def bought(self, order: Order) -> tuple[str, list[Callback]]:
        """Let an order be paid; return the invoice's ID, and all that is sent of it."""
        invoice = self.pay(order)
        kinds = (
            "Created",
            "ReceivedPayment",
            "Processing",
            "PaymentSettled",
            "Settled",
        )
        return invoice, [self.told(invoice, f"Invoice{kind}") for kind in kinds]

    def paid_back(self, money_id: str) -> Callback:
        self.invoices[money_id] |= {"status": "Invalid", "additionalStatus": "Marked"}
        return self.told(money_id, "InvoiceInvalid")

    def signed(self, told: Any) -> Callback:
        body = json.dumps(told).encode()
        mac = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return Callback({"btcpay-sig": f"sha256={mac}"}, body)


class BTCPayTestStore(BTCPayServer):
    environment = "SANDBOX"
    key = "btcp4y-test-k3y"
    secret = "btcp4y-test-s3cret"
    store = "TestStoreANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K7"


def is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls to gateways give up soon, so that a slow one fails within a test."""
    monkeypatch.setattr(client, "session", partial(session, IMPATIENT))


def deliver(
    gateway: str, callbacks: Sequence[Callback], *, copies: int = 1, seed: int = 0
) -> None:
    """Send callbacks repeated and in random order, posting some of them meanwhile."""
    chance = random.Random(seed)
    queue = [callback for callback in callbacks for _ in range(copies)]
    chance.shuffle(queue)
    for callback in queue:
        assert send(callback, gateway).status_code == 200
        if chance.random() < 0.3:
            process()
    process()


def at(shop: Counterpart, product: str = "credit_pack_1hr", **fields: Any) -> Order:
    """Return a pending order at a gateway."""
    where = {"store": shop.gateway, "environment": shop.environment}
    return order(product, **(where | fields))


def checkout(of: Order) -> Checkout:
    return registry.seller(of.store, Environment(of.environment)).checkout(of)


def posted_by_a_look(of: Order) -> str:
    """Ask the gateway about an order, as the schedule does, and post what it says."""
    environment = Environment(of.environment)
    facts = registry.seller(of.store, environment).look_up(of)
    with transaction.atomic():
        return posting.post_all(facts, environment)


def due() -> None:
    InboxEvent.objects.filter(status="queued").update(ready_at=timezone.now())


def review_of(of: Order) -> tuple[str, str]:
    of.refresh_from_db()
    return of.status, of.review
