"""Refunds that operators make: asked for here, passed on to the gateway by a worker."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Sum

from accounts.caller import Environment
from billing.errors import GatewayFailed, NotRefundableNow
from billing.models import Refund, Store
from billing.payments import posting
from billing.payments.gateways import registry
from billing.payments.gateways.contract import (
    Fact,
    Refunded,
    Refunds,
    Unprocessable,
)
from kit.db import connections
from kit.db.transactions import needs_transaction
from kit.work import claims
from kit.work.loop import Crashed, Failed, Work

logger = logging.getLogger(__name__)


@needs_transaction
def request(
    order_id: UUID, amount: int, *, key: UUID, reason: str, ticket: str, actor: str
) -> bool:
    """Pay back a part of an order; return False if that was asked before with this `key`.

    `amount` is in minor units. If the gateway can't pay back at our request, as with
    crypto, the money was sent by hand: the credits are taken back at once.

    Raises:
        NotRefundableNow: the order is not paid, or less of it is left.
    """
    order = posting.locked_order(order_id)
    if Refund.objects.filter(pk=key).exists():
        return False
    asked = order.refunds.exclude(status=Refund.Status.FAILED)
    asked = asked.filter(is_reversed=False)
    taken = asked.aggregate(amount=Sum("amount"))["amount"] or 0
    left = (order.paid_amount or 0) - taken
    if not 0 < amount <= left:
        raise NotRefundableNow(left=left, currency=order.currency)
    refund = Refund(
        pk=key, order=order, amount=amount, reason=reason, ticket=ticket, actor=actor
    )
    if isinstance(registry.of_store(order.store), Refunds):
        refund.save(force_insert=True)
        work.ring_on_commit()
        return True
    refund.status = Refund.Status.PROCESSING
    refund.save(force_insert=True)
    sent = Refunded(
        store=Store(order.store),
        money_id=order.money_id,
        refund_id=f"by-hand:{key}",
        amount=amount,
        refund=key,
    )
    posting.post(sent, Environment(order.environment))
    return True


def _pay_back(refund: Refund, _: claims.Lease) -> Sequence[Fact]:
    """Ask the gateway to pay back.

    Raises:
        Failed: it did not answer, or it refuses.
    """
    gateway = registry.of_store(refund.order.store)
    assert isinstance(gateway, Refunds)
    connections.give_back()
    try:
        return gateway.refund(refund)
    except GatewayFailed as error:
        logger.warning("refund %s: %s", refund.pk, error.detail)
        raise Failed(f"The gateway did not answer: {error.detail}") from error
    except Unprocessable as error:
        raise Failed(str(error), is_last=True) from error


def _settle(refund: Refund, facts: Sequence[Fact]) -> None:
    """Take the credits back, unless the gateway's event has done so meanwhile."""
    posting.locked_order(refund.order_id)
    claims.lock_held(refund)
    posting.post_all(facts, Environment(refund.order.environment))
    if Refund.objects.get(pk=refund.pk).status != Refund.Status.COMPLETED:
        claims.settle(refund, Refund.Status.COMPLETED)


def _explain(error: Exception) -> dict[str, Any]:
    if isinstance(error, Crashed):
        return {"error": "Its worker was lost several times."}
    return {"error": str(error) if isinstance(error, Failed) else type(error).__name__}


work = Work(
    task="billing.tasks.make_refunds",
    queue="remote",
    rows=lambda: Refund.objects.select_related("order__pack", "order__plan"),
    perform=_pay_back,
    settle=_settle,
    explain=_explain,
    # The gateway's idempotency key holds for a day.
    tries=30,
    pauses=(1, 5, 30, 300, 1800),
    slots=2,
)
