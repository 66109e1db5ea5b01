"""Plans and subscriptions for tests."""

from typing import Any

from django.db import transaction

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import Lot, Plan, Store, Subscription
from billing.plans import products, subscriptions
from tests import factories


def subscriber(email: str = "ada@example.com") -> Workspace:
    """Return the workspace of a new user, with the seeds on sale."""
    products.sync()
    return factories.workspace(factories.user(email))


def plan(key: str = "plus") -> Plan:
    """Return a plan of the seeds."""
    return Plan.objects.get(key=key)


def start(workspace: Workspace, key: str = "plus", /, **options: Any) -> Subscription:
    """Start a subscription billed by Stripe."""
    values: dict[str, Any] = {"store": Store.STRIPE, "external_id": "sub_1"} | options
    with transaction.atomic():
        return subscriptions.start(workspace, plan(key), **values)


def run(
    function: Any, subscription: Subscription, *args: Any, **options: Any
) -> Subscription:
    """Call a verb of `billing.plans.subscriptions` in a transaction of its own."""
    with transaction.atomic():
        changed: Subscription = function(subscription.pk, *args, **options)
        return changed


def allowances(
    workspace: Workspace, environment: str = "PRODUCTION"
) -> list[tuple[int, str]]:
    """Return credits and expiry of each allowance, oldest first."""
    lots = Lot.objects.filter(
        wallet=wallet_of(workspace, environment), kind="allowance"
    ).order_by("pk")
    return [(lot.granted, f"{lot.expires_at:%Y-%m-%d %H:%M}") for lot in lots]


def limits(workspace: Workspace) -> tuple[Any, ...]:
    """Return a workspace's tier, and the limits of its plan."""
    workspace.refresh_from_db()
    return (workspace.tier, *(getattr(workspace, name) for name in Plan.LIMITS))


FREE = ("free", None, None, None, None, None)
PLUS = ("paid", 60, 600, 16, 90, 20_000)
STUDIO = ("paid", 240, 1200, 48, 365, 200_000)
