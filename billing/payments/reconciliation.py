"""Reconcile: what each gateway says was paid, against what was granted, both ways.

It runs each night and on demand. Events that never arrived are put into the inbox first
and posted as usual; what still differs is for operators.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import GatewayFailed, GatewayOff
from billing.models import InboxEvent, Order, Reconciliation, Refund
from billing.payments import inbox
from billing.payments.gateways import registry
from billing.payments.gateways.contract import Lists, Payment, Sells
from kit.db import connections
from kit.db.transactions import needs_transaction, one_transaction
from kit.work import claims
from kit.work.loop import Crashed, Failed, Work

LENGTH = timedelta(days=3)
"""What a nightly run looks back on: a night or two may fail."""
LONGEST = timedelta(days=30)
"""As far back as Stripe lists its events."""
_SETTLED_AFTER = timedelta(hours=1)  # what is younger may still be on its way
_SLOWEST = timedelta(days=15)  # a bank transfer, from the page to pay at to the money

_SKEW = timedelta(minutes=5)  # of the gateway's clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; amounts are in minor units."""

    kind: str
    money_id: str
    order: str = ""
    gateway_amount: int | None = None
    our_amount: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a comparison has found."""

    payments: int
    recovered: int
    differences: list[Difference]


@needs_transaction
def begin_all(length: timedelta = LENGTH) -> int:
    """Queue a reconciliation with each gateway that lists its payments; return how many."""
    until = timezone.now() - _SETTLED_AFTER
    rows = [
        Reconciliation(
            gateway=name,
            environment=environment.value,
            since=until - min(length, LONGEST),
            until=until,
        )
        for name in registry.GATEWAYS
        for environment in Environment
        if _is_listed(name, environment)
    ]
    Reconciliation.objects.bulk_create(rows)
    if rows:
        work.ring_on_commit(len(rows))
    return len(rows)


def _is_listed(name: str, environment: Environment) -> bool:
    gateway = registry.find(name)
    if not isinstance(gateway, Lists):
        return False
    return not isinstance(gateway, Sells) or gateway.is_on(environment)


def _compare(row: Reconciliation, lease: claims.Lease) -> Result:
    """Ask the gateway, and compare.

    Raises:
        Failed: the gateway did not answer.
    """
    gateway = registry.of_store(row.gateway)
    assert isinstance(gateway, Lists)
    environment = Environment(row.environment)
    try:
        recovered = _recover(gateway, environment, row.since)
        lease.check()
        connections.give_back()
        paid = {
            payment.money_id: payment
            for payment in gateway.payments(
                environment, row.since - _SLOWEST, timezone.now() + _SKEW
            )
        }
    except (GatewayFailed, GatewayOff) as error:
        raise Failed(f"The gateway did not answer: {error}") from error
    found = list(_differences(row, paid))
    return Result(len(paid), recovered, found)


def _recover(gateway: Lists, environment: Environment, since: datetime) -> int:
    """Store the gateway's events that have not arrived; return how many."""
    rows = InboxEvent.objects.filter(gateway=gateway.name, environment=environment)
    known = set(
        rows.filter(received_at__gte=since - _SLOWEST).values_list(
            "event_id", flat=True
        )
    )
    connections.give_back()
    missed = list(gateway.missed(environment, since, known))
    for notice, body in missed:
        _store(gateway, notice, body)
    return len(missed)


_store = one_transaction(inbox.store)


def _differences(row: Reconciliation, paid: dict[str, Payment]) -> Iterator[Difference]:
    """Yield what differs, from both sides."""
    ours = Order.objects.filter(store=row.gateway, environment=row.environment)
    orders = {order.money_id: order for order in ours.filter(money_id__in=paid)}
    paid_back = _paid_back(orders.values())
    for money_id, payment in paid.items():
        order = orders.get(money_id)
        if order is None:
            if payment.is_ours and payment.created_at <= row.until:
                yield Difference(
                    "paid, not granted", money_id, gateway_amount=payment.amount
                )
            continue
        name = str(order.pk)
        if (payment.amount, payment.currency) != (order.paid_amount, order.currency):
            yield Difference(
                "another amount", money_id, name, payment.amount, order.paid_amount
            )
        elif payment.refunded not in (None, paid_back.get(order.pk, 0)):
            yield Difference(
                "another refund",
                money_id,
                name,
                payment.refunded,
                paid_back.get(order.pk, 0),
            )
    granted = ours.filter(
        status=Order.Status.PAID,
        paid_amount__gt=0,
        paid_at__gte=row.since,
        paid_at__lte=row.until,
    )
    for order in granted.exclude(money_id__in=paid):
        yield Difference(
            "granted, not paid", order.money_id, str(order.pk), 0, order.paid_amount
        )


def _paid_back(orders: Iterable[Order]) -> dict[UUID, int]:
    """Return what was paid back of each order, disputes apart."""
    rows = Refund.objects.filter(
        order__in=list(orders),
        kind=Refund.Kind.REFUND,
        status=Refund.Status.COMPLETED,
        is_reversed=False,
    )
    sums = rows.values("order").annotate(paid_back=Sum("amount"))
    return dict(sums.values_list("order", "paid_back"))


def _keep(row: Reconciliation, result: Result) -> dict[str, Any]:
    """Return the columns of the row; each difference is logged for operators."""
    for one in result.differences:
        logger.error("%s differs: %s", row.gateway, one)
    return {
        "payments": result.payments,
        "recovered": result.recovered,
        "differences": [asdict(one) for one in result.differences],
        "error": "",
    }


def _explain(error: Exception) -> dict[str, Any]:
    if isinstance(error, Crashed):
        return {"error": "Its worker was lost several times."}
    return {"error": str(error) if isinstance(error, Failed) else type(error).__name__}


work = Work(
    task="billing.tasks.reconcile",
    queue="remote",
    rows=Reconciliation.objects.all,
    perform=_compare,
    complete=_keep,
    explain=_explain,
    ended={"settled_at": Now()},
    tries=8,
    pauses=(60, 300, 1800),
    slots=1,
)
