"""Lifecycle hooks of workspaces, called by accounts: open, export and delete."""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.caller import Environment
from accounts.lifecycle import Part, Scope, Table
from accounts.models import User, Workspace
from billing.credits import gifts
from billing.errors import GatewayOff
from billing.ledger.wallets import wallet_of
from billing.models import (
    LedgerEntry,
    MobileCustomer,
    Order,
    Purchase,
    Subscription,
    Usage,
    Wallet,
)
from billing.payments.gateways import registry
from billing.payments.gateways.contract import Cancels
from billing.plans import subscriptions
from billing.serializers import EntrySerializer
from kit.db import connections
from kit.db.transactions import needs_transaction

logger = logging.getLogger(__name__)

_OF_USAGE = (
    *("created_at", "job", "scene", "provider", "voice", "characters", "credits"),
    *("from_subscription", "from_credits", "billed_to", "user_id", "token_id"),
)
_OF_PURCHASES = (
    *("created_at", "pack__key", "store", "external_id", "amount", "currency"),
)
_OF_ORDERS = (
    *("created_at", "paid_at", "pack__key", "plan__key", "store", "status"),
    *("amount", "currency", "paid_amount", "tax", "discount", "refunded"),
)
_OF_PLANS = (
    *("created_at", "plan__key", "status", "store", "term"),
    *("period_start", "period_end", "ended_at"),
)


@needs_transaction
def opened(workspace: Workspace, user: User | None = None) -> None:
    """Create the workspace's wallets; with a `user`, also grant the sign-up credits."""
    for environment in Environment:
        wallet = wallet_of(workspace, environment)
        if user is not None:
            gifts.grant_sign_up_credits(wallet, user)


def export(scope: Scope) -> Iterator[Part]:
    """Yield tables of a workspace's usage, credits, payments and plans.

    An export for one person has only the usage of that person.
    """
    workspace, person = scope.workspace, scope.person
    for environment in Environment:
        if scope.environment not in ("", environment):
            continue
        name = environment.lower()
        used = Usage.objects.for_workspace(workspace).filter(
            environment=environment.value
        )
        if person:
            used = used.filter(user_id=person.pk)
        yield Table(f"usage-{name}.json", _plain(used, *_OF_USAGE))
        if person:
            continue
        wallet = wallet_of(workspace, environment)
        yield Table(f"credits-{name}.json", _entries(wallet))
        bought = Purchase.objects.filter(lot__wallet=wallet)
        yield Table(f"purchases-{name}.json", _plain(bought, *_OF_PURCHASES))
        orders = Order.objects.for_workspace(workspace).filter(
            environment=environment.value
        )
        yield Table(f"orders-{name}.json", _plain(orders, *_OF_ORDERS))
        plans = Subscription.objects.for_workspace(workspace).filter(
            environment=environment.value
        )
        yield Table(f"plans-{name}.json", _plain(plans, *_OF_PLANS))


def purge(workspace: Workspace) -> None:
    """End the plans of a deleted workspace, also at the store that bills them.

    The IDs of its customer of the app are forgotten. Its usage and its payments are kept,
    without names.

    Raises:
        GatewayFailed: the store does not answer; call it again later.
    """
    MobileCustomer.objects.filter(pk=workspace.pk).delete()
    plans = Subscription.objects.for_workspace(workspace)
    for subscription in plans.current().union(plans.with_months_left()):
        gateway = registry.of_store(subscription.store)
        if isinstance(gateway, Cancels):
            connections.give_back()
            try:
                gateway.cancel(subscription)
            except GatewayOff:
                logger.error("%s has to be canceled by hand", subscription.external_id)
        with transaction.atomic(durable=True):
            subscriptions.end(subscription.pk)


def _entries(wallet: Wallet) -> Iterator[dict[str, Any]]:
    for entry in LedgerEntry.objects.statement(wallet).iterator(chunk_size=1_000):
        yield dict(EntrySerializer(entry).data)


def _plain(rows: QuerySet[Any], *columns: str) -> Iterator[dict[str, Any]]:
    yield from rows.order_by("pk").values(*columns).iterator(chunk_size=1_000)
