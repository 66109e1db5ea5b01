"""A local imitation of RevenueCat: its look-up, and the events that it sends."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import MobileCustomer, Subscription
from billing.payments.gateways.contract import Callback
from kit.ids import new_id
from tests.billing.payments.counterparts import Counterpart, deliver
from tests.providers.vendors.server import Asked, Reply, json_reply

ANA = "$RCAnonymousID:" + "a1" * 16
BEN = "$RCAnonymousID:" + "b2" * 16
AUTH = "Bearer of-the-dashboard"
NOW = datetime.now(UTC).replace(microsecond=0)


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class RevenueCatServer(Counterpart):
    """REST API v1, as its OpenAPI file defines it."""

    gateway = "revenuecat"
    key = "sk_rev3nuecat"

    def __init__(self) -> None:
        super().__init__()
        self.subscribers: dict[str, dict[str, Any]] = {}

    def settings(self) -> dict[str, str]:
        return {
            "REVENUECAT_BASE_URL": self.url,
            "REVENUECAT_API_KEY": self.key,
            "REVENUECAT_WEBHOOK_AUTH": AUTH,
        }

    def reply(self, asked: Asked) -> Reply:
        assert asked.method == "GET"
        assert not asked.body
        assert "X-Platform" not in asked.headers
        customer = asked.path.removeprefix("/v1/subscribers/")
        assert customer != asked.path
        is_new = customer not in self.subscribers
        if is_new:
            self.knows(customer)
        found = {
            "request_date": NOW.isoformat(),
            "request_date_ms": milliseconds(NOW),
            "subscriber": self.subscribers[customer],
        }
        return json_reply(found, 201 if is_new else 200)

    def knows(
        self,
        customer: str,
        *,
        original: str = "",
        subscriptions: dict[str, Any] | None = None,
        purchases: dict[str, Any] | None = None,
    ) -> None:
        """Let a customer be there, who has bought something or nothing."""
        self.subscribers[customer] = {
            "entitlements": {},
            "first_seen": NOW.isoformat(),
            "last_seen": NOW.isoformat(),
            "management_url": None,
            "non_subscriptions": purchases or {},
            "original_app_user_id": original or customer,
            "original_application_version": None,
            "original_purchase_date": None,
            "other_purchases": {},
            "subscriptions": subscriptions or {},
        }


def subscription(transaction: str = "2000000001", **fields: Any) -> dict[str, Any]:
    """Return a subscription as the look-up lists it, by default in its first month."""
    return {
        "auto_resume_date": None,
        "billing_issues_detected_at": None,
        "display_name": "Plus",
        "expires_date": at(29).isoformat().replace("+00:00", "Z"),
        "grace_period_expires_date": None,
        "is_sandbox": False,
        "management_url": None,
        "original_purchase_date": at(-1).isoformat().replace("+00:00", "Z"),
        "ownership_type": "PURCHASED",
        "period_type": "normal",
        "price": {"amount": 2.99, "currency": "USD"},
        "purchase_date": at(-1).isoformat().replace("+00:00", "Z"),
        "refunded_at": None,
        "store": "app_store",
        "store_transaction_id": transaction,
        "unsubscribe_detected_at": None,
    } | fields


def purchase(transaction: str, **fields: Any) -> dict[str, Any]:
    """Return a one-time purchase as the look-up lists it."""
    return {
        "id": "cadba0c81b",
        "is_sandbox": False,
        "price": {"amount": 2.99, "currency": "USD"},
        "purchase_date": at(-1).isoformat(),
        "store": "app_store",
        "store_transaction_id": transaction,
    } | fields


def event(
    kind: str, customer: str, transaction: str = "2000000001", **fields: Any
) -> Any:
    """Return an event, as the documentation's samples have it."""
    return {
        "event_timestamp_ms": milliseconds(NOW),
        "product_id": "credit_pack_1hr",
        "period_type": "NORMAL",
        "purchased_at_ms": milliseconds(at(-1)),
        "expiration_at_ms": None,
        "environment": "PRODUCTION",
        "entitlement_id": None,
        "entitlement_ids": ["pro"],
        "presented_offering_id": None,
        "transaction_id": transaction,
        "original_transaction_id": transaction,
        "is_family_share": False,
        "country_code": "US",
        "app_user_id": customer,
        "aliases": [customer],
        "original_app_user_id": customer,
        "currency": "USD",
        "price": 2.99,
        "price_in_purchased_currency": 2.99,
        "subscriber_attributes": {},
        "store": "APP_STORE",
        "takehome_percentage": 0.7,
        "tax_percentage": 0.0,
        "commission_percentage": 0.3,
        "offer_code": None,
        "type": kind,
        "id": str(new_id()),
        "app_id": "1234567890",
    } | fields


def plan_event(
    kind: str, customer: str, month: int = 0, chain: str = "2000000001", **fields: Any
) -> Any:
    """Return an event about a month of a plan; the first one has begun yesterday."""
    values = {
        "product_id": "plus_monthly",
        "purchased_at_ms": milliseconds(at(30 * month - 1)),
        "expiration_at_ms": milliseconds(at(30 * month + 29)),
        "original_transaction_id": chain,
    }
    transaction = chain if month == 0 else f"{chain}{month}"
    return event(kind, customer, transaction, **(values | fields))


def transfer(sources: list[str], targets: list[str], **fields: Any) -> Any:
    return {
        "app_id": "1234567890",
        "event_timestamp_ms": milliseconds(NOW),
        "id": str(new_id()),
        "store": "APP_STORE",
        "transferred_from": sources,
        "transferred_to": targets,
        "type": "TRANSFER",
    } | fields


def told(of: Any, secret: str = "", when: float | None = None) -> Callback:
    """Return the request that tells an event, with a signature if there is a secret."""
    body = json.dumps({"api_version": "1.0", "event": of}).encode()
    headers = {"authorization": AUTH}
    if secret:
        headers["x-revenuecat-webhook-signature"] = signature(body, secret, when)
    return Callback(headers, body)


def signature(body: bytes, secret: str, when: float | None = None) -> str:
    moment = int(time.time() if when is None else when)
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


def report(*of: Any, **how: Any) -> None:
    deliver("revenuecat", [told(one) for one in of], **how)


def home(customer: str) -> Workspace:
    """Return the workspace of a customer."""
    return MobileCustomer.objects.get(ids__id=customer).workspace


def balance(of: Workspace, environment: str = "PRODUCTION") -> tuple[int, int]:
    wallet = wallet_of(of, environment)
    return wallet.available, wallet.debt


def standing(of: Workspace, environment: str = "PRODUCTION") -> list[tuple[Any, ...]]:
    rows = Subscription.objects.for_workspace(of).filter(environment=environment)
    return list(
        rows.order_by("created_at").values_list(
            "plan__key", "status", "cancel_at_period_end"
        )
    )
