"""Automatic top-ups: settings, and buying a pack by the saved card when credits run low.

At most one order is under way for a wallet, by a constraint. The order is committed before
the card is charged, and its ID is the gateway's idempotency key; so a run that was killed
is repeated by the next one, and the card is charged once.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Sum
from django.utils import timezone

from accounts.caller import Caller, Environment
from accounts.models import Workspace
from accounts.roles import Permission, require_permission
from billing.errors import (
    GatewayFailed,
    GatewayOff,
    NotBoughtYet,
    ProductionOnly,
    TooEarly,
    UnknownProduct,
)
from billing.ledger import wallets
from billing.models import GatewayCustomer, Order, Pack, Store, TopUp, Wallet
from billing.payments import notices, posting
from billing.payments.gateways import registry
from billing.payments.gateways.contract import (
    ChargesSavedCards,
    Fact,
    NotPaid,
    Unprocessable,
)
from billing.payments.orders import FIRST_LOOK
from kit.db import connections
from kit.db.transactions import needs_transaction, one_transaction
from kit.errors import AppError

_PRODUCTION = Environment.PRODUCTION
_REPEATED_FOR = timedelta(hours=20)  # an idempotency key holds for a day
_COUNTED = (Order.Status.PENDING, Order.Status.PAID)

logger = logging.getLogger(__name__)


def settings_of(caller: Caller) -> TopUp | None:
    """Return the workspace's automatic top-up; None if it was never set up.

    Raises:
        NotAllowed: the caller is not the owner.
        ProductionOnly: the request is for the sandbox.
    """
    _require(caller)
    rows = TopUp.objects.for_workspace(caller.workspace)
    return rows.select_related("pack").first()


@needs_transaction
def save(
    caller: Caller, *, is_enabled: bool, below: int, product: str, monthly_cap: int
) -> TopUp:
    """Save the automatic top-up and return it.

    Raises:
        NotAllowed: the caller is not the owner.
        ProductionOnly: the request is for the sandbox.
        UnknownProduct: no such pack is on sale.
        NotBoughtYet: there is no saved card.
    """
    _require(caller)
    pack = Pack.objects.filter(key=product, is_offered=True).first()
    if pack is None:
        raise UnknownProduct(product=product)
    customers = GatewayCustomer.objects.for_workspace(caller.workspace)
    if is_enabled and not customers.filter(environment=_PRODUCTION.value).exists():
        raise NotBoughtYet
    row, _ = TopUp.objects.update_or_create(
        workspace=caller.workspace,
        defaults={
            "is_enabled": is_enabled,
            "below": below,
            "pack": pack,
            "monthly_cap": monthly_cap,
            "error": "",
        },
    )
    return row


def run() -> int:
    """Buy packs for wallets that run low; return how many cards were charged, or tried.

    Two runs at the same time charge once.
    """
    for workspace_id in _low():
        _place(workspace_id)
    open_ = Order.objects.filter(
        kind=Order.Kind.TOP_UP, status=Order.Status.PENDING, checkout_id=""
    )
    orders = list(open_.select_related("workspace", "pack").order_by("pk"))
    for order in orders:
        try:
            _charge(order)
        except Exception:
            # One failure must not stop the rest.
            logger.exception("top-up %s could not be charged", order.pk)
    return len(orders)


def _require(caller: Caller) -> None:
    require_permission(caller.member_role, Permission.TOP_UP)
    if caller.environment != _PRODUCTION:
        raise ProductionOnly


def _low() -> list[UUID]:
    """Return the workspaces whose wallet is below the threshold of its top-up."""
    low = Wallet.objects.filter(
        environment=_PRODUCTION.value,
        workspace__is_blocked=False,
        workspace__closed_at=None,
        workspace__top_up__is_enabled=True,
        available__lt=F("workspace__top_up__below") + F("debt"),
    )
    return list(low.values_list("workspace", flat=True))


@one_transaction
def _place(workspace_id: UUID) -> None:
    """Place the order of a top-up, unless one is under way or the cap is reached."""
    Workspace.objects.select_for_update(no_key=True).only("pk").get(pk=workspace_id)
    rows = TopUp.objects.filter(workspace=workspace_id, is_enabled=True)
    top_up = rows.select_related("pack", "workspace").first()
    if top_up is None:
        return
    wallet = wallets.wallet_of(top_up.workspace, _PRODUCTION)
    if wallets.net_balance(wallet) >= top_up.below:
        return
    pack = top_up.pack
    if _charged_this_month(workspace_id) + pack.amount > top_up.monthly_cap:
        reason = "The most that you allow for a month was reached."
        notices.switch_off_top_up(workspace_id, reason)
        return
    order = Order(
        workspace=top_up.workspace,
        environment=_PRODUCTION.value,
        store=Store.STRIPE,
        kind=Order.Kind.TOP_UP,
        pack=pack,
        amount=pack.amount,
        currency=pack.currency,
        look_up_at=timezone.now() + FIRST_LOOK,
    )
    Order.objects.bulk_create([order], ignore_conflicts=True)


def _charged_this_month(workspace_id: UUID) -> int:
    now = timezone.now()
    orders = Order.objects.filter(
        workspace=workspace_id,
        environment=_PRODUCTION.value,
        kind=Order.Kind.TOP_UP,
        status__in=_COUNTED,
        created_at__gte=datetime(now.year, now.month, 1, tzinfo=now.tzinfo),
    )
    return orders.aggregate(amount=Sum("amount"))["amount"] or 0


def _charge(order: Order) -> None:
    """Charge the saved card for an order, and post what came of it."""
    payment, facts = "", None
    try:
        gateway = registry.seller(order.store, _PRODUCTION)
        if not isinstance(gateway, ChargesSavedCards):
            raise Unprocessable("There is no saved card.")
        connections.give_back()
        payment, facts = gateway.charge_saved_card(order)
    except Unprocessable as error:
        facts = [_not_paid(order, str(error))]
    except (GatewayFailed, GatewayOff) as error:
        logger.warning("top-up %s: %s", order.pk, error)
        if timezone.now() - order.created_at < _REPEATED_FOR:
            return  # the next run repeats it, under the same key
        facts = [_not_paid(order, "The payment service did not answer.")]
    try:
        _keep(order, payment, facts)
    except (TooEarly, AppError) as error:
        logger.warning("top-up %s could not be posted: %s", order.pk, error)


def _not_paid(order: Order, why: str) -> Fact:
    return NotPaid(store=Store(order.store), order_id=order.pk, error=why)


@one_transaction
def _keep(order: Order, payment: str, facts: Sequence[Fact]) -> None:
    posting.locked_order(order.pk)  # the workspace first
    Order.objects.filter(pk=order.pk).update(checkout_id=payment)
    posting.post_all(facts, _PRODUCTION)
