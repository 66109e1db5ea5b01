"""Orders, and what the demo gateway reports of them."""

from typing import Any

from django.test import Client

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import InboxEvent, Lot, Order, Pack, Plan, Store
from billing.payments import inbox
from billing.payments.gateways.contract import Callback
from billing.payments.gateways.demo import Demo
from tests.factories import user, workspace


def order(product: str = "credit_pack_1hr", **fields: Any) -> Order:
    """Return a pending order of a new workspace, at the demo gateway."""
    pack = Pack.objects.filter(key=product).first()
    plan = Plan.objects.filter(key=product).first()
    found = pack or plan
    assert found is not None
    values: dict[str, Any] = {
        "environment": "PRODUCTION",
        "store": Store.DEMO,
        "pack": pack,
        "plan": plan,
        "amount": found.amount,
        "currency": found.currency,
    }
    values |= fields
    values.setdefault("workspace", workspace(user()))
    return Order.objects.create(**values)


def paid(of: Order, outcome: str = "paid") -> Callback:
    """Return the demo gateway's callback for an order."""
    return Demo().callback(of, outcome)


def send(callback: Callback, gateway: str = "demo") -> Any:
    """Send a callback as a gateway does, without a cookie."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(
        f"/hooks/{gateway}",
        callback.body,
        content_type="application/json",
        headers=dict(callback.headers),
    )


def process() -> int:
    """Post everything that is due in the inbox; return how many rows."""
    return inbox.work()


def granted(of: Workspace, environment: str = "PRODUCTION") -> list[tuple[str, int]]:
    """Return kind and credits of each lot that was bought, oldest first."""
    lots = Lot.objects.filter(wallet=wallet_of(of, environment)).order_by("pk")
    return list(lots.exclude(kind="promo").values_list("kind", "granted"))


def events() -> list[tuple[str, str, str]]:
    """Return status, result and error of each event, oldest first."""
    rows = InboxEvent.objects.order_by("pk")
    return list(rows.values_list("status", "result", "error"))
