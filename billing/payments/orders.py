"""Place orders, send buyers to the gateway, and ask it about those that it is silent on."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from accounts.caller import Caller, Environment
from accounts.roles import Permission, require_permission
from billing.errors import (
    GatewayFailed,
    NotBoughtYet,
    NothingToReview,
    NotSoldThere,
    SubscriptionInStore,
    TooEarly,
    UnknownProduct,
)
from billing.models import Order, Pack, Plan, Store
from billing.payments import posting
from billing.payments.gateways import registry
from billing.payments.gateways.contract import (
    Fact,
    HasPortal,
    Money,
    Unprocessable,
)
from billing.plans import subscriptions
from kit.db import connections
from kit.db.transactions import needs_transaction, one_transaction
from kit.errors import AppError

FIRST_LOOK = timedelta(minutes=2)
"""After which the gateway is asked about an order that it has not reported."""
_LAST_LOOK = timedelta(days=8)  # longer than any page to pay at, and any retry
_LONGEST_PAUSE = timedelta(hours=6)
_BATCH = 100  # orders in one run of the scheduled task
_REPLACED = (Store.OPERATOR, Store.DEMO)  # plans that a purchase may replace

logger = logging.getLogger(__name__)


def product_named(key: str) -> Pack | Plan:
    """Return the pack or the plan on sale with this key.

    Raises:
        UnknownProduct: there is none.
    """
    on_sale = {"key": key, "is_offered": True}
    product = (
        Pack.objects.filter(**on_sale).first() or Plan.objects.filter(**on_sale).first()
    )
    if product is None:
        raise UnknownProduct(product=key)
    return product


@needs_transaction
def place(caller: Caller, product_key: str, gateway_name: str) -> Order:
    """Place an order and return it; `pay_page` is where it is paid.

    Raises:
        NotAllowed: the caller may not buy for the workspace.
        UnknownProduct: it is not on sale.
        GatewayOff: the gateway is unknown or switched off.
        NotSoldThere: the gateway does not sell it.
        SubscriptionInStore: a store bills the workspace's plan already.
    """
    require_permission(caller.member_role, Permission.BUY)
    product = product_named(product_key)
    gateway = registry.seller(gateway_name, caller.environment)
    if not gateway.sells(product, caller.environment):
        raise NotSoldThere(product=product.name, gateway=gateway.label)
    plan = product if isinstance(product, Plan) else None
    if plan is not None:
        current = subscriptions.current_of(caller.workspace, caller.environment)
        if current is not None and current.store not in _REPLACED:
            raise SubscriptionInStore(store=Store(current.store).label)
    return Order.objects.create(
        workspace=caller.workspace,
        user_id=caller.person.pk,
        environment=caller.environment.value,
        store=gateway.name,
        pack=product if isinstance(product, Pack) else None,
        plan=plan,
        amount=product.amount,
        currency=product.currency,
        look_up_at=timezone.now() + FIRST_LOOK,
    )


def pay_page(order: Order) -> str:
    """Return the address at which a pending order is paid; empty if it is not pending.

    The gateway is called at the first time, and again if that call has failed; it makes one
    page for each order.

    Raises:
        GatewayOff: the gateway was switched off meanwhile.
        GatewayFailed: the gateway does not answer.
    """
    if order.status != Order.Status.PENDING:
        return ""
    if not order.checkout_url:
        gateway = registry.seller(order.store, Environment(order.environment))
        connections.give_back()
        made = gateway.checkout(order)
        Order.objects.filter(pk=order.pk).update(
            checkout_id=made.id, checkout_url=made.url
        )
        order.checkout_id, order.checkout_url = made.id, made.url
    return order.checkout_url


def look_up(order: Order) -> str:
    """Ask the gateway about a pending order, and post what it says; return that in words.

    Raises:
        GatewayOff, GatewayFailed: it could not be asked.
    """
    if order.status != Order.Status.PENDING:
        return ""
    environment = Environment(order.environment)
    gateway = registry.seller(order.store, environment)
    connections.give_back()
    return post(gateway.look_up(order), environment)


def look_up_pending() -> int:
    """Look up the pending orders that are due; return how many.

    Each is looked up after `FIRST_LOOK`, and then in growing pauses. So an order is paid
    even if its callbacks are lost.
    """
    now = timezone.now()
    due = Order.objects.filter(status=Order.Status.PENDING, look_up_at__lte=now)
    orders = list(due.order_by("look_up_at")[:_BATCH])
    for order in orders:
        age = now - order.created_at
        following = now + min(max(age / 2, FIRST_LOOK), _LONGEST_PAUSE)
        is_ours = Order.objects.filter(pk=order.pk, look_up_at=order.look_up_at).update(
            look_up_at=following if age < _LAST_LOOK else None
        )
        if not is_ours:
            continue  # another run looks it up
        try:
            look_up(order)
        except (TooEarly, GatewayFailed) as error:
            logger.info("order %s could not be looked up: %s", order.pk, error)
        except (AppError, Unprocessable) as error:
            logger.warning("order %s could not be looked up: %s", order.pk, error)
        except Exception:
            # One failure must not stop the rest.
            logger.exception("order %s could not be looked up", order.pk)
    return len(orders)


@needs_transaction
def accept(order_id: UUID, money_id: str) -> None:
    """Grant an order that is in review, at the price that was asked, for a payment.

    Raises:
        NothingToReview: it is not in review, is paid, or is not of a pack.
    """
    order = posting.locked_order(order_id)
    if not order.review or order.status == Order.Status.PAID or order.pack is None:
        raise NothingToReview(order=order_id)
    money = Money(id=money_id, amount=order.amount, currency=order.currency)
    order.review = ""
    posting.set_paid(order, money)
    posting.sell(order)


@needs_transaction
def dismiss(order_id: UUID) -> None:
    """End the review of an order without granting anything.

    Raises:
        NothingToReview: it is not in review.
    """
    order = posting.locked_order(order_id)
    if not order.review:
        raise NothingToReview(order=order_id)
    order.review = ""
    if order.status == Order.Status.PENDING:
        order.status = Order.Status.FAILED
        order.error = "The payment was not what the order asked for"
    order.save()


def portal(caller: Caller) -> str:
    """Return the address at which the caller manages cards, invoices and the plan.

    Raises:
        NotAllowed: the caller may not buy for the workspace.
        NotBoughtYet: nothing was bought at a gateway with a portal.
        GatewayFailed: the gateway does not answer.
    """
    require_permission(caller.member_role, Permission.BUY)
    connections.give_back()
    for gateway in registry.sellers(caller.environment):
        if isinstance(gateway, HasPortal) and (
            page := gateway.portal(caller.workspace, caller.environment)
        ):
            return page
    raise NotBoughtYet


@one_transaction
def post(facts: Sequence[Fact], environment: Environment) -> str:
    """Post facts that a gateway has returned, in a transaction of their own."""
    return posting.post_all(facts, environment)
