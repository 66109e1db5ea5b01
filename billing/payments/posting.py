"""Post what a gateway states: to the order, the ledger and the subscription.

Each fact is posted once, under the gateway's ID of the payment, in the transaction of the
caller. The workspace is locked first, so its payments are posted one after the other; then
come its order, subscription, wallet and lots.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from math import floor
from typing import TypeVar

from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from accounts.caller import Environment
from accounts.models import Workspace
from billing import ledger
from billing.errors import NotReportedYet
from billing.ledger.wallets import wallet_of
from billing.models import (
    InboxEvent,
    Lot,
    Order,
    Pack,
    Plan,
    Refund,
    Store,
    Subscription,
)
from billing.payments import notices, purchases, transfers
from billing.payments.gateways.contract import (
    Changed,
    Disputed,
    DisputeWon,
    Ended,
    Fact,
    Ignored,
    Money,
    NotPaid,
    Paid,
    PastDue,
    Refunded,
    RefundFailed,
    Renewed,
    Transferred,
    Unclear,
    Unprocessable,
)
from billing.plans import subscriptions
from kit.db.transactions import needs_transaction

_LONGEST_ERROR = 200  # characters
_HALF = Fraction(1, 2)
_SAME_PERIOD = timedelta(hours=1)  # ends of a period that stores report as one

Product_ = TypeVar("Product_", Pack, Plan)


@needs_transaction
def post_all(facts: Sequence[Fact], environment: Environment) -> str:
    """Post facts in their order; return what was done, a line for each.

    Raises:
        TooEarly: one refers to something that was not reported yet.
        Unprocessable: one of them needs an operator.
        AppError: the ledger or the subscription refuses it.
    """
    return "\n".join(post(fact, environment) for fact in facts)


@needs_transaction
def post(fact: Fact, environment: Environment) -> str:
    """Post one fact, or nothing if it was posted before; return what it is, in words.

    Raises: see `post_all`.
    """
    match fact:
        case Paid():
            return _post_paid(fact, environment)
        case NotPaid():
            return _close_unpaid(fact)
        case Unclear():
            return _flag(fact)
        case Refunded():
            return _take_back(
                _order_paid_by(fact.store, environment, fact.money_id),
                Refund.Kind.REFUND,
                fact.refund_id,
                fact.amount,
                Refund.objects.filter(pk=fact.refund).first() if fact.refund else None,
            )
        case Disputed():
            order = _order_paid_by(fact.store, environment, fact.money_id)
            return _take_back(order, Refund.Kind.DISPUTE, fact.dispute_id, fact.amount)
        case RefundFailed():
            order = _order_paid_by(fact.store, environment, fact.money_id)
            return _give_back(order, Refund.Kind.REFUND, fact.refund_id)
        case DisputeWon():
            order = _order_paid_by(fact.store, environment, fact.money_id)
            return _give_back(order, Refund.Kind.DISPUTE, fact.dispute_id)
        case Renewed():
            return _post_period(fact, environment)
        case Changed() | PastDue() | Ended():
            return _follow(fact, environment)
        case Transferred():
            return transfers.transfer(fact, environment)
        case Ignored():
            return f"ignored: {fact.reason}"


def _post_paid(fact: Paid, environment: Environment) -> str:
    workspace, order = _ordered(fact, environment)
    if found := _order_with(fact.store, environment, fact.money.id):
        _set_review(found, fact.review)
        return f"posted before: {found.product}"
    if order is None:
        pack = _product(Pack, fact.buyer.product)
        order = _new_order(workspace, fact.store, environment, fact.money, pack=pack)
    if order.pack is None:
        raise Unprocessable(f"{order.pk} is no order of a pack.")
    if problem := _problem(order, fact.money):
        _set_review(order, problem)
        return f"to be reviewed: {problem}"
    set_paid(order, fact.money)
    sell(order)
    _set_review(order, fact.review)
    if order.kind == Order.Kind.TOP_UP:
        notices.topped_up(order)
    return f"paid: {order.pack.credits:,} credits"


@needs_transaction
def sell(order: Order) -> None:
    """Grant the pack of a paid order; wake what waits for it."""
    assert order.pack is not None
    assert order.paid_amount is not None
    purchases.sell(
        wallet_of(order.workspace, order.environment),
        order.pack,
        store=Store(order.store),
        external_id=order.money_id,
        amount=order.paid_amount,
        currency=order.currency,
    )
    _wake(order.environment, order.money_id)


def _problem(order: Order, money: Money) -> str:
    """Return why a payment is not what the order asked for; empty if it is."""
    if order.status == Order.Status.PAID:
        return f"Paid again: {money.id}."
    price = money.amount if money.price is None else money.price
    if (price, money.currency) != (order.amount, order.currency):
        return (
            f"{price} {money.currency} were paid for {order.amount} {order.currency}:"
            f" {money.id}."
        )
    return ""


def set_paid(order: Order, money: Money) -> None:
    """Record what was paid for an order."""
    order.status = Order.Status.PAID
    order.money_id = money.id
    order.paid_amount, order.currency = money.amount, money.currency
    order.tax, order.discount = money.tax, money.discount
    order.paid_at = timezone.now()
    order.error = ""
    order.save()


def _close_unpaid(fact: NotPaid) -> str:
    order = locked_order(fact.order_id)
    if order.status != Order.Status.PENDING:
        return f"too late: {order}"
    order.status = Order.Status.EXPIRED if fact.is_expired else Order.Status.FAILED
    order.error = fact.error[:_LONGEST_ERROR]
    order.save(update_fields=["status", "error"])
    if order.kind == Order.Kind.TOP_UP:
        reason = f"{order.error or 'The payment failed'}.".replace("..", ".")
        notices.switch_off_top_up(order.workspace_id, reason)
    return f"not paid: {order.product}"


def _flag(fact: Unclear) -> str:
    order = locked_order(fact.order_id)
    if not (order.money_id == fact.money_id and order.status == Order.Status.PAID):
        _set_review(order, f"{fact.reason} Payment {fact.money_id}.")
    return f"to be reviewed: {fact.reason}"


def _set_review(order: Order, reason: str) -> None:
    if reason not in order.review:
        order.review = f"{order.review}\n{reason}".strip()
        order.save(update_fields=["review"])


def _take_back(
    order: Order,
    kind: Refund.Kind,
    external_id: str,
    amount: int | None,
    asked: Refund | None = None,
) -> str:
    """Take back the credits of a refund or a dispute."""
    paid = order.paid_amount or 0
    taken = amount if amount is not None else paid - order.refunded
    found = order.refunds.filter(kind=kind, external_id=external_id).first()
    if found is not None or not taken:
        return f"posted before: {kind} of {order.product}"
    refund = asked or Refund(order=order, kind=kind, amount=taken)
    refund.external_id, refund.status = external_id, Refund.Status.COMPLETED
    refund.lease_until = None
    sources = purchases.sources_of(order)
    for source in sources:
        _take(refund, source, Fraction(min(taken, paid), paid), refund.key)
    if not sources:
        _set_review(order, f"{kind.label} of a month that was not granted.")
    refund.save()
    _sum_up(order)
    if order.environment == Environment.PRODUCTION:
        reason = "A payment was paid back or disputed."
        notices.switch_off_top_up(order.workspace_id, reason)
    _wake(order.environment, external_id)
    return f"{kind}: {refund.credits:,} credits taken back"


def _give_back(order: Order, kind: Refund.Kind, external_id: str) -> str:
    """Give back the credits of a refund that failed, or of a dispute that was won.

    Another refund of the order may have found nothing left to take: it takes its share now,
    so the result does not depend on the order of events.
    """
    refund = order.refunds.filter(kind=kind, external_id=external_id).first()
    if refund is None:
        raise NotReportedYet(subject=external_id)
    if refund.is_reversed:
        return f"posted before: reversed {kind}"
    for source, key, _ in refund.postings:
        ledger.reverse(
            source,
            key,
            environment=order.environment,
            reason=f"{kind.label} reversed: {order.product.name}",
        )
    refund.is_reversed = True
    refund.save()
    for other in order.refunds.filter(is_reversed=False).order_by("pk"):
        for source in purchases.sources_of(order):
            granted = Lot.objects.get(environment=order.environment, source=source)
            share = Fraction(min(other.amount, order.paid_amount or 0), 1)
            wanted = floor(share * granted.granted / (order.paid_amount or 1) + _HALF)
            had = sum(credits for its, _, credits in other.postings if its == source)
            if wanted > had:
                _take(other, source, wanted - had, f"{other.key}:{refund.pk}")
        other.save()
    _sum_up(order)
    return f"reversed: {refund.credits:,} credits given back"


def _take(refund: Refund, source: str, part: Fraction | int, key: str) -> None:
    """Take a part of a lot, as one posting, unless earlier refunds left nothing."""
    order = refund.order
    if number := len(refund.postings):
        key = f"{key}:{number}"
    taken = ledger.refund(
        source,
        part,
        environment=order.environment,
        key=key,
        reason=refund.reason or f"{refund.kind.capitalize()}: {order.product.name}",
        actor=refund.actor,
        ticket=refund.ticket,
    )
    if taken:
        refund.postings.append([source, key, taken])
        refund.credits += taken


def _sum_up(order: Order) -> None:
    """Store how much of an order was paid back, in all."""
    rows = order.refunds.filter(status=Refund.Status.COMPLETED, is_reversed=False)
    total = rows.aggregate(amount=Sum("amount"))["amount"] or 0
    order.refunded = min(total, order.paid_amount or 0)
    order.save(update_fields=["refunded"])


def _post_period(fact: Renewed, environment: Environment) -> str:
    known = _find_subscription(fact.store, environment, fact.subscription_id)
    if known is None:
        workspace, order = _ordered(fact, environment)
    else:
        workspace, order = _lock(known.workspace_id), None
        if fact.buyer.order_id:
            _, order = _ordered(fact, environment)
    if order is not None and order.plan is None:
        raise Unprocessable(f"{order.pk} is no order of a plan.")
    if order is not None and order.status == Order.Status.PAID:
        order = None  # it paid the first period
    plan = (order and order.plan) or (known and known.plan) or None
    if fact.buyer.product:
        plan = _product(Plan, fact.buyer.product)
    if plan is None:
        raise Unprocessable("It names no plan.")
    replaced = None if known else subscriptions.current_of(workspace, environment.value)
    subscription = subscriptions.start(
        workspace,
        plan,
        store=fact.store,
        environment=environment.value,
        external_id=fact.subscription_id,
        store_account=fact.account,
        is_trial=fact.is_trial,
        period_start=fact.period_start,
        period_end=fact.period_end,
    )
    if found := _order_with(fact.store, environment, fact.money.id):
        return f"posted before: {found.product}"
    if order is None:
        order = _new_order(workspace, fact.store, environment, fact.money, plan=plan)
        if not fact.store.is_in_app:
            order.kind = Order.Kind.RENEWAL
    order.plan, order.subscription = plan, subscription
    order.period = _period(subscription, fact)
    set_paid(order, fact.money)
    if replaced is not None and replaced.external_id:
        _set_review(
            order,
            f"It replaced {replaced.plan.name}, which {Store(replaced.store).label}"
            f" still bills as {replaced.external_id}.",
        )
    _wake(environment, fact.money.id)
    _wake(environment, fact.subscription_id)
    return f"{'trial' if fact.is_trial else 'paid'}: {plan.name}"


def _period(subscription: Subscription, fact: Renewed) -> int | None:
    """Return the number of the period that a fact has told, give or take a tenth."""
    near = (fact.period_end - fact.period_start) / 10
    ends = (fact.period_end - near, fact.period_end + near)
    numbers = subscription.periods.filter(period_end__range=ends).order_by("number")
    return numbers.values_list("number", flat=True).last()


def _follow(fact: Changed | PastDue | Ended, environment: Environment) -> str:
    """Let a subscription follow its store, unless a later period was paid meanwhile."""
    known = _subscription(fact.store, environment, fact.subscription_id)
    _lock(known.workspace_id)
    if fact.period_end is not None:
        later = {"period_end__gt": fact.period_end + _SAME_PERIOD, "is_trial": False}
        if known.periods.filter(**later).exists():
            return f"too late: {known.plan.name} was paid again"
    match fact:
        case Changed():
            return _change(fact, known)
        case PastDue():
            subscriptions.mark_past_due(known.pk)
            notices.renewal_failed(known, fact.pay_url)
            return f"not paid: {known.plan.name}"
        case Ended():
            subscriptions.end(known.pk)
            return f"ended: {known.plan.name}"


def _change(fact: Changed, known: Subscription) -> str:
    if fact.product:
        known = subscriptions.change_plan(known.pk, _product(Plan, fact.product))
    if fact.cancel_at_period_end is not None:
        set_cancel = (
            subscriptions.cancel if fact.cancel_at_period_end else subscriptions.resume
        )
        known = set_cancel(known.pk)
    ends = " until its period ends" if known.cancel_at_period_end else ""
    return f"{known.status}: {known.plan.name}{ends}"


def _ordered(
    fact: Paid | Renewed, environment: Environment
) -> tuple[Workspace, Order | None]:
    """Lock and return the workspace that has paid, and its order, if it names one."""
    buyer = fact.buyer
    if buyer.order_id is not None:
        order = locked_order(buyer.order_id)
        if (order.store, order.environment) != (fact.store, environment):
            raise Unprocessable(
                f"The order {order.pk} is of {order.store}, {order.environment}."
            )
        return order.workspace, order
    if buyer.workspace_id is None:
        raise NotReportedYet(subject=getattr(fact, "subscription_id", "the order"))
    return _lock(buyer.workspace_id), None


def _lock(workspace_id: uuid.UUID) -> Workspace:
    # NO KEY: rows with a foreign key to the workspace may be inserted meanwhile.
    rows = Workspace.objects.select_for_update(no_key=True)
    workspace = rows.filter(pk=workspace_id).first()
    if workspace is None:
        raise Unprocessable(f"There is no workspace {workspace_id}.")
    return workspace


@needs_transaction
def locked_order(order_id: uuid.UUID) -> Order:
    """Return an order as it is now, with its workspace locked."""
    rows = Order.objects.filter(pk=order_id)
    workspace_id = rows.values_list("workspace", flat=True).first()
    if workspace_id is None:
        raise Unprocessable(f"There is no order {order_id}.")
    _lock(workspace_id)
    return rows.select_related("workspace", "pack", "plan").get()


def _order_with(store: str, environment: Environment, money_id: str) -> Order | None:
    """Return the order that a payment has paid."""
    return Order.objects.filter(
        store=store, environment=environment.value, money_id=money_id
    ).first()


def _order_paid_by(store: Store, environment: Environment, money_id: str) -> Order:
    """Return the order that a payment has paid, with its workspace locked.

    Raises:
        NotReportedYet: the payment was not reported yet.
    """
    order = _order_with(store, environment, money_id)
    if order is None:
        raise NotReportedYet(subject=money_id)
    return locked_order(order.pk)


def _new_order(
    workspace: Workspace,
    store: Store,
    environment: Environment,
    money: Money,
    *,
    pack: Pack | None = None,
    plan: Plan | None = None,
) -> Order:
    """Return an order, not saved, for a payment that was not ordered from us."""
    return Order(
        workspace=workspace,
        environment=environment.value,
        store=store,
        kind=Order.Kind.IN_APP if store.is_in_app else Order.Kind.CHECKOUT,
        pack=pack,
        plan=plan,
        amount=money.amount if money.price is None else money.price,
        currency=money.currency,
    )


def _product(model: type[Product_], key: str) -> Product_:
    product = model._default_manager.filter(key=key).first()
    if product is None:
        raise Unprocessable(f"There is no product {key!r}.")
    return product


def _find_subscription(
    store: Store, environment: Environment, external_id: str
) -> Subscription | None:
    rows = Subscription.objects.select_related("plan", "workspace")
    return rows.filter(
        store=store, environment=environment.value, external_id=external_id
    ).first()


def _subscription(
    store: Store, environment: Environment, external_id: str
) -> Subscription:
    """Return a subscription.

    Raises:
        NotReportedYet: its first payment was not reported yet.
    """
    found = _find_subscription(store, environment, external_id)
    if found is None:
        raise NotReportedYet(subject=external_id)
    return found


def _wake(environment: str, subject: str) -> None:
    """Let the events continue that waited for a payment, a refund or a subscription."""
    waiting = InboxEvent.objects.filter(
        waits_for=subject, environment=str(environment), status=InboxEvent.Status.QUEUED
    )
    waiting.update(ready_at=Now())
