"""Turn Stripe's events and objects into facts."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from accounts.caller import Environment
from billing.models import Plan, Store
from billing.payments.gateways.contract import (
    Buyer,
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
    Unprocessable,
)
from billing.payments.gateways.stripe.calls import Api, Object

STRIPE = Store.STRIPE
_IN_FORCE = {"active", "trialing"}
_UNPAID = {"past_due", "unpaid"}
_NEVER_PAID = {"incomplete", "incomplete_expired"}


def facts_of(kind: str, told: Object, api: Callable[[], Api]) -> Sequence[Fact]:
    """Return what an event of this type states about its object.

    `api` is called only by events that have to be read again.

    Raises:
        GatewayFailed: Stripe did not answer.
        Unprocessable: an operator has to look at it.
    """
    try:
        match kind.split("."):
            case ["checkout", "session", "async_payment_failed"]:
                return list(session_failed(told))
            case ["checkout", "session", _]:
                return list(of_session(told))
            case ["payment_intent", "succeeded" | "payment_failed"]:
                return list(of_top_up(told))
            case ["invoice", "paid" | "payment_failed" | "payment_action_required"]:
                return list(of_invoice(told["id"], api()))
            case ["customer", "subscription", _]:
                return list(of_subscription(_subscription(told["id"], api())))
            case ["refund", _]:
                return list(_of_refund(told))
            case ["charge", "dispute", _]:
                return list(_of_dispute(told))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unprocessable(f"It is not as documented: {error!r}.") from error
    return [Ignored(f"Nothing is posted for {kind}.")]


def of_session(session: Object) -> Iterator[Fact]:
    """Yield what the session of a checkout states."""
    order_id = order_in(session["metadata"])
    if order_id is None:
        yield Ignored("It is not an order of ours.")
    elif session["status"] == "expired":
        yield NotPaid(store=STRIPE, order_id=order_id, is_expired=True)
    elif session["mode"] == "subscription":
        yield Ignored("Its invoice tells what was paid.")
    elif session["payment_status"] in ("paid", "no_payment_required"):
        details = session["total_details"] or {}
        money = Money(
            # A session that a promotion code has made free has no payment.
            id=session["payment_intent"] or session["id"],
            amount=session["amount_total"],
            currency=session["currency"].upper(),
            price=session["amount_subtotal"],
            tax=details.get("amount_tax") or 0,
            discount=details.get("amount_discount") or 0,
        )
        yield Paid(store=STRIPE, buyer=Buyer(order_id=order_id), money=money)
    else:
        yield Ignored("It is complete, but not paid yet.")


def session_failed(session: Object) -> Iterator[Fact]:
    """Yield that the slow payment of a checkout has failed."""
    order_id = order_in(session["metadata"])
    if order_id is None:
        yield Ignored("It is not an order of ours.")
    else:
        error = "The payment failed"
        yield NotPaid(store=STRIPE, order_id=order_id, error=error)


def of_top_up(intent: Object) -> Iterator[Fact]:
    """Yield what a payment by a saved card states."""
    order_id = order_in(intent["metadata"])
    if order_id is None or intent["metadata"].get("top_up") != "1":
        yield Ignored("Its session or its invoice tells what was paid.")
    elif intent["status"] == "succeeded":
        money = Money(
            id=intent["id"],
            amount=intent["amount_received"],
            currency=intent["currency"].upper(),
        )
        yield Paid(store=STRIPE, buyer=Buyer(order_id=order_id), money=money)
    elif intent["status"] == "processing":
        yield Ignored("It is not paid yet.")
    else:
        error = intent.get("last_payment_error") or {}
        why = str(error.get("message") or "The card was not charged")
        yield NotPaid(store=STRIPE, order_id=order_id, error=why.rstrip("."))


def of_invoice(invoice_id: str, api: Api) -> Iterator[Fact]:
    """Yield what an invoice of a subscription states, and the subscription's state."""
    invoice = api.get(f"invoices/{invoice_id}", expand=["payments"])
    parent = (invoice["parent"] or {}).get("subscription_details")
    if not parent:
        yield Ignored("It is not of a subscription.")
        return
    subscription = _subscription(parent["subscription"], api)
    order_id = order_in(subscription["metadata"])
    if order_id is None:
        yield Ignored("It is not a subscription of ours.")
        return
    if invoice["status"] == "paid":
        is_first = invoice["billing_reason"] == "subscription_create"
        buyer = Buyer(
            order_id=order_id if is_first else None,
            workspace_id=uuid.UUID(subscription["metadata"]["workspace"]),
            product=_plan_of(subscription),
        )
        yield _renewed(invoice, subscription, buyer)
    elif invoice["billing_reason"] == "subscription_create":
        yield Ignored("The first payment can still succeed.")
        return
    yield from of_subscription(subscription)


def of_subscription(subscription: Object) -> Iterator[Fact]:
    """Yield the state of a subscription, as it is now."""
    if order_in(subscription["metadata"]) is None:
        yield Ignored("It is not a subscription of ours.")
        return
    status, subscription_id = subscription["status"], subscription["id"]
    latest = subscription["latest_invoice"] or {}
    if status in _NEVER_PAID:
        yield Ignored("Its first payment was not made.")
    elif status in _IN_FORCE:
        # A larger plan is not given before it is paid for.
        is_paid = latest.get("status") == "paid"
        yield Changed(
            store=STRIPE,
            subscription_id=subscription_id,
            product=_plan_of(subscription) if is_paid else "",
            cancel_at_period_end=bool(
                subscription["cancel_at_period_end"] or subscription["cancel_at"]
            ),
        )
    elif status in _UNPAID:
        page = latest.get("hosted_invoice_url") or ""
        yield PastDue(store=STRIPE, subscription_id=subscription_id, pay_url=page)
    else:  # canceled, or paused at the end of a trial without a card
        yield Ended(store=STRIPE, subscription_id=subscription_id)


def order_in(metadata: Any) -> uuid.UUID | None:
    """Return the order that our metadata of an object names; None if it is not ours."""
    try:
        return uuid.UUID((metadata or {})["order"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _renewed(invoice: Object, subscription: Object, buyer: Buyer) -> Renewed:
    """Return the fact of a paid invoice."""
    item = subscription["items"]["data"][0]
    begins, ends = item["current_period_start"], item["current_period_end"]
    for line in invoice["lines"]["data"]:
        details = (line["parent"] or {}).get("subscription_item_details") or {}
        if details and not details.get("proration"):
            begins, ends = line["period"]["start"], line["period"]["end"]
    amount, total = invoice["amount_paid"], invoice["total"]
    taxes = invoice["total_taxes"] or []
    discounts = invoice["total_discount_amounts"] or []
    return Renewed(
        store=STRIPE,
        buyer=buyer,
        subscription_id=subscription["id"],
        money=Money(
            id=_payment_intent(invoice) or invoice["id"],
            amount=amount,
            currency=invoice["currency"].upper(),
            price=max(invoice["subtotal"], 0),
            tax=sum(tax["amount"] for tax in taxes) if amount == total else 0,
            discount=sum(discount["amount"] for discount in discounts),
        ),
        period_start=_time(begins),
        period_end=_time(ends),
        is_trial=subscription["trial_end"] is not None
        and ends <= subscription["trial_end"],
        account=subscription["customer"],
    )


def _payment_intent(invoice: Object) -> str:
    """Return the payment of an invoice; empty if nothing had to be paid."""
    for payment in (invoice["payments"] or {}).get("data", []):
        if payment["status"] == "paid":
            return str(payment["payment"].get("payment_intent") or "")
    return ""


def _plan_of(subscription: Object) -> str:
    """Return the key of the plan that a subscription has.

    By its price, which the customer portal can change; without one of ours in it, by the
    metadata of the checkout.
    """
    price = subscription["items"]["data"][0]["price"]["id"]
    column = "stripe_price" if subscription["livemode"] else "stripe_test_price"
    found = Plan.objects.filter(**{column: price}).values_list("key", flat=True).first()
    return str(found or subscription["metadata"]["plan"])


def _of_refund(refund: Object) -> Iterator[Fact]:
    money_id = refund["payment_intent"]
    if not money_id:
        yield Ignored("It is not of a payment of ours.")
        return
    ids: dict[str, Any] = {
        "store": STRIPE,
        "money_id": money_id,
        "refund_id": refund["id"],
        "refund": _uuid((refund["metadata"] or {}).get("refund")),
    }
    # Both, if it failed: so it does not matter which event comes first.
    yield Refunded(**ids, amount=refund["amount"])
    if refund["status"] in ("failed", "canceled"):
        yield RefundFailed(**ids)


def _of_dispute(dispute: Object) -> Iterator[Fact]:
    money_id, status = dispute["payment_intent"], dispute["status"]
    if not money_id or status.startswith("warning_") or status == "prevented":
        yield Ignored("No money was taken.")
        return
    ids: dict[str, Any] = {
        "store": STRIPE,
        "money_id": money_id,
        "dispute_id": dispute["id"],
    }
    yield Disputed(**ids, amount=dispute["amount"])
    if status == "won":
        yield DisputeWon(**ids)


def _subscription(subscription_id: str, api: Api) -> Object:
    return api.get(f"subscriptions/{subscription_id}", expand=["latest_invoice"])


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except (TypeError, ValueError, AttributeError):
        return None


def environment_of(livemode: bool) -> Environment:
    """Return the environment of an object: test mode is the sandbox."""
    return Environment.PRODUCTION if livemode else Environment.SANDBOX
