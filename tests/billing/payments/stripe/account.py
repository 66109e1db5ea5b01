"""What happens in an account of Stripe, and the events that it causes.

`pay`, `renew`, `dispute`… do what people do at Stripe, and make the objects that belong
together; the events are in `events`, signed when `callback` makes a request of them.
"""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from billing.payments.gateways.contract import Callback
from billing.payments.gateways.stripe import signing
from billing.payments.gateways.stripe.calls import VERSION

LIVE, TEST = "sk_live_of_the_tests", "sk_test_of_the_tests"
SECRETS = {True: "whsec_live_of_the_tests", False: "whsec_test_of_the_tests"}
DAY = 86_400

Object = dict[str, Any]


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, **error: Any) -> None:
        super().__init__(status)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": "no"} | error


class Account:
    """All objects of one account, in both modes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.objects: dict[str, Object] = {}
        self.events: list[Object] = []
        self.calls: list[str] = []
        self.tax = 0  # percent, added by automatic tax
        self.declines = ""  # the code with which cards are declined
        self.fault: Callable[[BaseHTTPRequestHandler], bool] | None = None
        self._keys: dict[str, tuple[str, int, Object]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # --- What people do at Stripe --------------------------------------------------------

    def pay(
        self, session_id: str, *, discount: int = 0, is_slow: bool = False
    ) -> Object:
        """Complete a checkout; a slow method pays later, by `arrive`."""
        with self._lock:
            session = self.objects[session_id]
            assert session["status"] == "open"
            details = session["total_details"]
            details["amount_discount"] = discount
            net = session["amount_subtotal"] - discount
            tax = net * self.tax // 100 if session["automatic_tax"]["enabled"] else 0
            details["amount_tax"] = tax
            session["amount_total"] = net + tax
            session["status"] = "complete"
            if session["mode"] == "subscription":
                self._subscribe(session)
            elif not session["amount_total"]:
                session["payment_status"] = "no_payment_required"
            else:
                intent = self._intent(
                    session["amount_total"],
                    session["currency"],
                    session["customer"],
                    session["_intent_metadata"],
                    session["livemode"],
                )
                session["payment_intent"] = intent["id"]
                if not is_slow:
                    session["payment_status"] = "paid"
                    self._succeed(intent)
            self._tell("checkout.session.completed", session)
            return session

    def arrive(self, session_id: str, *, fails: bool = False) -> None:
        """Let the slow payment of a checkout arrive, or fail."""
        session = self.objects[session_id]
        if fails:
            self._tell("checkout.session.async_payment_failed", session)
            return
        session["payment_status"] = "paid"
        self._succeed(self.objects[session["payment_intent"]])
        self._tell("checkout.session.async_payment_succeeded", session)

    def expire(self, session_id: str) -> None:
        """Let the page of a checkout expire."""
        session = self.objects[session_id]
        session["status"] = "expired"
        self._tell("checkout.session.expired", session)

    def refund(self, intent_id: str, amount: int, **fields: Any) -> Object:
        """Pay back in the dashboard."""
        with self._lock:
            intent = self.objects[intent_id]
            charge = self.objects[intent["latest_charge"]]
            if amount > charge["amount"] - charge["amount_refunded"]:
                raise Refused(400, code="charge_already_refunded")
            charge["amount_refunded"] += amount
            made = self._make(
                "re",
                "refund",
                intent["livemode"],
                amount=amount,
                charge=charge["id"],
                currency=intent["currency"],
                payment_intent=intent_id,
                status="succeeded",
                metadata=fields.get("metadata") or {},
                reason=None,
            )
            self._tell("charge.refunded", charge)
            self._tell("refund.created", made)
            return made

    def fail_refund(self, refund_id: str) -> None:
        """Let a refund come back from the buyer's bank."""
        refund = self.objects[refund_id]
        refund["status"] = "failed"
        charge = self.objects[refund["charge"]]
        charge["amount_refunded"] -= refund["amount"]
        self._tell("refund.updated", refund)
        self._tell("refund.failed", refund)

    def dispute(self, intent_id: str, status: str = "needs_response") -> Object:
        """Let the buyer's bank take a payment back."""
        intent = self.objects[intent_id]
        made = self._make(
            "dp",
            "dispute",
            intent["livemode"],
            amount=intent["amount"],
            charge=intent["latest_charge"],
            currency=intent["currency"],
            payment_intent=intent_id,
            reason="fraudulent",
            status=status,
            metadata={},
        )
        self._tell("charge.dispute.created", made)
        if not status.startswith("warning_"):
            self._tell("charge.dispute.funds_withdrawn", made)
        return made

    def close_dispute(self, dispute_id: str, status: str) -> None:
        """Decide a dispute: `won`, `lost` or `warning_closed`."""
        dispute = self.objects[dispute_id]
        dispute["status"] = status
        self._tell("charge.dispute.closed", dispute)
        if status == "won":
            self._tell("charge.dispute.funds_reinstated", dispute)

    def renew(self, subscription_id: str, *, is_paid: bool = True) -> Object:
        """Bill the next period of a subscription."""
        with self._lock:
            subscription = self.objects[subscription_id]
            item = subscription["items"]["data"][0]
            begins = item["current_period_end"]
            item["current_period_start"] = begins
            item["current_period_end"] = begins + 30 * DAY
            invoice = self._invoice(subscription, "subscription_cycle", is_paid=is_paid)
            subscription["status"] = "active" if is_paid else "past_due"
            self._tell("customer.subscription.updated", subscription)
            return invoice

    def mend(self, subscription_id: str) -> None:
        """Pay the open invoice of a subscription."""
        subscription = self.objects[subscription_id]
        subscription["status"] = "active"
        self._pay_invoice(self.objects[subscription["latest_invoice"]], subscription)
        self._tell("customer.subscription.updated", subscription)

    def change(
        self, subscription_id: str, price: str, difference: int, *, is_paid: bool = True
    ) -> Object:
        """Change the plan in the portal, which bills the difference at once."""
        with self._lock:
            subscription = self.objects[subscription_id]
            subscription["items"]["data"][0]["price"]["id"] = price
            invoice = self._invoice(
                subscription, "subscription_update", is_paid=is_paid, amount=difference
            )
            subscription["status"] = "active" if is_paid else "past_due"
            self._tell("customer.subscription.updated", subscription)
            return invoice

    def cancel(self, subscription_id: str, *, at_period_end: bool) -> None:
        """Cancel in the portal."""
        subscription = self.objects[subscription_id]
        if at_period_end:
            subscription["cancel_at_period_end"] = True
            self._tell("customer.subscription.updated", subscription)
        else:
            subscription["status"] = "canceled"
            subscription["ended_at"] = int(time.time())
            self._tell("customer.subscription.deleted", subscription)

    def save_card(self, customer_id: str) -> None:
        """Save a card for a customer."""
        card = self._make("pm", "payment_method", True, customer=customer_id)
        chosen = {"default_payment_method": card["id"]}
        self.objects[customer_id]["invoice_settings"] = chosen

    # --- Its events ----------------------------------------------------------------------

    def callback(self, event: Object, *, at: float | None = None) -> Callback:
        """Return an event as it is sent, signed now."""
        body = json.dumps(event, indent=2).encode()  # as Stripe formats it
        when = int(time.time() if at is None else at)
        secret = SECRETS[event["livemode"]]
        return Callback({"stripe-signature": signing.sign(body, secret, when)}, body)

    def unruly(self, seed: int, copies: int = 2) -> list[Callback]:
        """Return all events several times each, in a random order."""
        sent = [self.callback(event) for event in self.events * copies]
        random.Random(seed).shuffle(sent)
        return sent

    # --- Objects -------------------------------------------------------------------------

    def _make(self, prefix: str, kind: str, livemode: bool, **fields: Any) -> Object:
        made: Object = {
            "id": f"{prefix}_{next(self._numbers):08}",
            "object": kind,
            "created": int(time.time()),
            "livemode": livemode,
        } | fields
        self.objects[made["id"]] = made
        return made

    def _tell(self, kind: str, told: Object) -> None:
        shown = {name: value for name, value in told.items() if name[0] != "_"}
        self.events.append(
            {
                "id": f"evt_{next(self._numbers):08}",
                "object": "event",
                "api_version": VERSION,
                "created": int(time.time()),
                "data": {"object": json.loads(json.dumps(shown))},
                "livemode": told["livemode"],
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "type": kind,
            }
        )

    def _intent(
        self,
        amount: int,
        currency: str,
        customer: str,
        metadata: Object,
        livemode: bool,
    ) -> Object:
        return self._make(
            "pi",
            "payment_intent",
            livemode,
            amount=amount,
            amount_received=0,
            client_secret="pi_s3cr3t_of_the_tests",
            currency=currency,
            customer=customer,
            last_payment_error=None,
            latest_charge=None,
            metadata=metadata,
            status="processing",
        )

    def _succeed(self, intent: Object) -> None:
        charge = self._make(
            "ch",
            "charge",
            intent["livemode"],
            amount=intent["amount"],
            amount_refunded=0,
            currency=intent["currency"],
            payment_intent=intent["id"],
        )
        intent["latest_charge"] = charge["id"]
        intent["status"] = "succeeded"
        intent["amount_received"] = intent["amount"]
        self._tell("payment_intent.succeeded", intent)
        self._tell("charge.succeeded", charge)

    def _subscribe(self, session: Object) -> None:
        data = session["_subscription_data"]
        line = session["_line"]
        now = int(time.time())
        days = int(data.get("trial_period_days") or 0)
        length = 365 if line["interval"] == "year" else 30
        ends = now + (days or length) * DAY
        subscription = self._make(
            "sub",
            "subscription",
            session["livemode"],
            cancel_at=None,
            cancel_at_period_end=False,
            currency=session["currency"],
            customer=session["customer"],
            ended_at=None,
            items={
                "object": "list",
                "data": [
                    {
                        "id": "si_1",
                        "current_period_start": now,
                        "current_period_end": ends,
                        "price": {
                            "id": line["price"] or "price_inline",
                            "unit_amount": line["amount"],
                        },
                        "quantity": 1,
                    }
                ],
            },
            latest_invoice=None,
            metadata=data["metadata"],
            status="trialing" if days else "active",
            trial_end=ends if days else None,
        )
        session["subscription"] = subscription["id"]
        session["payment_status"] = "no_payment_required" if days else "paid"
        self._tell("customer.subscription.created", subscription)
        self._invoice(
            subscription, "subscription_create", amount=0 if days else line["amount"]
        )

    def _invoice(
        self,
        subscription: Object,
        reason: str,
        *,
        is_paid: bool = True,
        amount: int | None = None,
    ) -> Object:
        item = subscription["items"]["data"][0]
        price = item["price"]["unit_amount"] if amount is None else amount
        is_proration = reason == "subscription_update"
        invoice = self._make(
            "in",
            "invoice",
            subscription["livemode"],
            amount_due=price,
            amount_paid=0,
            billing_reason=reason,
            currency=subscription["currency"],
            customer=subscription["customer"],
            hosted_invoice_url="https://invoice.example/mend",
            lines={
                "object": "list",
                "data": [
                    {
                        "id": "il_1",
                        "amount": price,
                        "parent": {
                            "type": "subscription_item_details",
                            "subscription_item_details": {
                                "proration": is_proration,
                                "subscription": subscription["id"],
                            },
                        },
                        "period": {
                            "start": item["current_period_start"],
                            "end": item["current_period_end"],
                        },
                    }
                ],
            },
            parent={
                "type": "subscription_details",
                "subscription_details": {
                    "subscription": subscription["id"],
                    "metadata": subscription["metadata"],
                },
            },
            status="open",
            subtotal=price,
            total=price,
            total_discount_amounts=[],
            total_taxes=[],
            _payment=None,
        )
        subscription["latest_invoice"] = invoice["id"]
        if is_paid:
            self._pay_invoice(invoice, subscription)
        else:
            self._tell("invoice.payment_failed", invoice)
        return invoice

    def _pay_invoice(self, invoice: Object, subscription: Object) -> None:
        invoice["status"] = "paid"
        invoice["amount_paid"] = invoice["amount_due"]
        if invoice["amount_due"]:
            intent = self._intent(
                invoice["amount_due"],
                invoice["currency"],
                invoice["customer"],
                {},
                invoice["livemode"],
            )
            invoice["_payment"] = intent["id"]
            self._succeed(intent)
        self._tell("invoice.paid", invoice)
        self._tell("invoice.payment_succeeded", invoice)
