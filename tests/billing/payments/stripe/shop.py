"""Buy at Stripe's counterpart, deliver its events, and look at what they did."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from accounts.models import User
from billing.ledger.wallets import wallet_of
from billing.models import InboxEvent, Order
from tests import factories
from tests.billing.payments.paying import process, send
from tests.billing.payments.stripe.account import Account, Object
from tests.billing.payments.test_inbox import due

Fault = Callable[[BaseHTTPRequestHandler], bool]


def buy(person: User, product: str = "credit_pack_1hr", **token: Any) -> Order:
    """Place an order by the API and return it, with its session at Stripe."""
    answer = factories.api(factories.token(person, **token)).post(
        "/api/v1/checkout",
        {"product": product, "gateway": "stripe"},
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.json()
    return Order.objects.get(pk=answer.json()["order_id"])


def deliver(account: Account, *told: Object) -> None:
    """Send events, by default all of them once in their order, and post them."""
    for event in told or account.events:
        assert send(account.callback(event), "stripe").status_code == 200
    settle()


def settle() -> None:
    """Post what is due, also what waits, until nothing changes."""
    for _ in range(6):
        process()
        due()


def balance(person: User, environment: str = "PRODUCTION") -> int:
    """Return the credits of a person, less what signing up gave."""
    wallet = wallet_of(factories.workspace(person), environment)
    return wallet.available - wallet.debt - 5_000


def problems() -> list[tuple[str, str]]:
    """Return type and error of the events that could not be posted."""
    rows = InboxEvent.objects.exclude(status="completed").order_by("pk")
    return list(rows.values_list("type", "error"))


def faults() -> dict[str, Fault]:
    """Return the ways in which an API fails, by name."""

    def slow(request: BaseHTTPRequestHandler) -> bool:
        time.sleep(0.4)
        return False

    def answering(status: int, body: bytes) -> Fault:
        def fault(request: BaseHTTPRequestHandler) -> bool:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
            return True

        return fault

    def hang_up(request: BaseHTTPRequestHandler) -> bool:
        request.close_connection = True
        return True

    return {
        "down": answering(500, b"{}"),
        "busy": answering(429, b"{}"),
        "no JSON": answering(200, b"<html>"),
        "redirect": answering(302, b""),
        "refused key": answering(401, b"{}"),
        "hangs up": hang_up,
        "slow": slow,
    }
