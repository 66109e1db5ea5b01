"""What RevenueCat knows about a customer, by its REST API v1.

Source: its OpenAPI file, read 2026-11-20. The look-up of a customer creates it if it isn't
there, and answers 201. One-time purchases don't say whether they were refunded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.conf import settings

from accounts.caller import Environment
from accounts.models import Workspace
from billing.errors import GatewayFailed
from billing.models import Pack, Plan, Store, Subscription
from billing.payments import customers
from billing.payments.gateways.app_stores import STORES, money_of, product_sold_as
from billing.payments.gateways.client import Client
from billing.payments.gateways.contract import Buyer, Changed, Fact, Money, Renewed
from kit.http.clock import Limits
from kit.http.session import session

LIMITS = Limits(connect=2, first_byte=3, quiet=2, total=4)
"""Of a look-up: a caller of the API waits for it."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What RevenueCat knows about a customer."""

    is_new: bool
    """The look-up has created it."""
    original_id: str
    subscriptions: Mapping[str, Mapping[str, Any]]  # by product
    purchases: Mapping[str, Sequence[Mapping[str, Any]]]  # by product

    @property
    def has_bought(self) -> bool:
        """Whether it has ever bought something."""
        return bool(self.subscriptions or any(self.purchases.values()))

    def has(self, transaction_id: str, environment: str) -> bool:
        """Whether it has a purchase with this transaction in the environment."""
        one_time = [row for rows in self.purchases.values() for row in rows]
        is_sandbox = environment == Environment.SANDBOX
        return any(
            transaction_id in (row.get("store_transaction_id"), row.get("id"))
            and row.get("is_sandbox") is is_sandbox
            for row in (*one_time, *self.subscriptions.values())
        )


def look_up(customer_id: str) -> Subscriber:
    """Return what RevenueCat knows about a customer, which it creates if it is unknown.

    Raises:
        GatewayFailed: it does not answer in time, or not as it documents.
    """
    client = Client(
        settings.REVENUECAT_BASE_URL,
        {"Authorization": f"Bearer {settings.REVENUECAT_API_KEY}"},
        connect=session(LIMITS),
    )
    status, answer = client.answer(
        "GET", f"/v1/subscribers/{quote(customer_id, safe='')}"
    )
    found = answer.get("subscriber") if isinstance(answer, dict) else None
    if not isinstance(found, dict) or status not in (200, 201):
        raise GatewayFailed("no subscriber")
    original = found.get("original_app_user_id")
    plans = found.get("subscriptions", {})
    purchases = found.get("non_subscriptions", {})
    if (
        not isinstance(original, str)
        or not 0 < len(original) <= customers.LONGEST_ID
        or not isinstance(plans, dict)
        or not all(isinstance(row, dict) for row in plans.values())
        or not isinstance(purchases, dict)
        or not all(
            isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
            for rows in purchases.values()
        )
    ):
        raise GatewayFailed("no subscriber")
    return Subscriber(status == 201, original, plans, purchases)


def standing(
    subscriber: Subscriber, workspace: Workspace, environment: Environment
) -> list[Fact]:
    """Return the running periods that RevenueCat lists for a customer.

    It lists a subscription's last transaction only. So a subscription that we don't know
    is returned if that is the first one, or names it; else the next webhook will.
    """
    facts: list[Fact] = []
    is_sandbox = environment is Environment.SANDBOX
    for product_id, row in subscriber.subscriptions.items():
        plan = product_sold_as(Plan, product_id)
        store = STORES.get(str(row.get("store", "")).upper())
        money_id = row.get("store_transaction_id")
        begins, ends = _time(row.get("purchase_date")), _time(row.get("expires_date"))
        if (
            plan is None
            or store is None
            or not isinstance(money_id, str)
            or row.get("is_sandbox") is not is_sandbox
            or row.get("ownership_type") == "FAMILY_SHARED"
            or row.get("refunded_at")
            or begins is None
            or ends is None
            or not begins < ends
            or ends <= datetime.now(UTC)
        ):
            continue
        chain = _chain(row, store, money_id, workspace, environment)
        if chain is None:
            continue
        is_trial = row.get("period_type") == "trial"
        facts.append(
            Renewed(
                store=store,
                buyer=Buyer(workspace_id=workspace.pk, product=plan.key),
                subscription_id=chain,
                money=_paid(row.get("price"), money_id, plan, is_free=is_trial),
                period_start=begins,
                period_end=ends,
                is_trial=is_trial,
                account=chain,
            )
        )
        is_canceled = row.get("unsubscribe_detected_at") is not None
        facts.append(
            Changed(
                store=store, subscription_id=chain, cancel_at_period_end=is_canceled
            )
        )
    return facts


def _chain(
    row: Mapping[str, Any],
    store: Store,
    money_id: str,
    workspace: Workspace,
    environment: Environment,
) -> str | None:
    """Return the ID of the subscription that a transaction belongs to, if that is clear."""
    if store is Store.PLAY_STORE:
        return money_id.partition("..")[0]
    if row.get("purchase_date") == row.get("original_purchase_date"):
        return money_id
    known = Subscription.objects.for_workspace(workspace).filter(
        store=store, environment=environment.value
    )
    ids = list(known.values_list("external_id", flat=True)[:2])
    return ids[0] if len(ids) == 1 else None


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _paid(
    price: object, money_id: str, product: Pack | Plan, *, is_free: bool = False
) -> Money:
    """Return what a look-up says was paid; the price of the product if it says nothing."""
    if is_free:
        return Money(id=money_id, amount=0, currency=product.currency)
    told = price if isinstance(price, dict) else {}
    return money_of(
        money_id, product, told.get("amount"), str(told.get("currency", "")), None
    )
