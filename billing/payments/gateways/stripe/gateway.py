"""The gateway Stripe: see the package."""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts.caller import Environment
from accounts.models import User, Workspace
from billing.errors import (
    GatewayFailed,
    GatewayOff,
    InvalidSignature,
    MalformedCallback,
)
from billing.models import (
    GatewayCustomer,
    InboxEvent,
    Order,
    Pack,
    Plan,
    Refund,
    Store,
    Subscription,
    Term,
)
from billing.payments.gateways.client import GatewayRefused
from billing.payments.gateways.contract import (
    Callback,
    Checkout,
    Fact,
    Notice,
    Payment,
    Unprocessable,
)
from billing.payments.gateways.stripe import events, signing
from billing.payments.gateways.stripe.calls import Api, Object, key_of

EVENTS = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
"""What the endpoint `/hooks/stripe` has to be sent."""
_MOST_TYPES = 20  # in one list of events
_INTERVALS = {Term.MONTHLY: "month", Term.YEARLY: "year"}


class Stripe:
    """See the module."""

    name = "stripe"
    label = "card"
    secret_fields: Sequence[str] = ("client_secret",)
    acknowledgement: Mapping[str, object] = {"received": True}

    def is_on(self, environment: Environment) -> bool:
        """Return whether there is a key for the environment."""
        return bool(key_of(environment))

    def sells(self, product: Pack | Plan, environment: Environment) -> bool:
        """Return True: a product without a price at Stripe is described to it."""
        return True

    # --- Paying --------------------------------------------------------------------------

    def checkout(self, order: Order) -> Checkout:
        """Create a Checkout session."""
        api = Api(Environment(order.environment))
        ours = {"order": str(order.pk), "workspace": str(order.workspace_id)}
        page = settings.BASE_URL + reverse("order-page", args=[order.pk])
        fields: dict[str, Any] = {
            "client_reference_id": order.pk,
            "customer": self.customer(order.workspace, order.environment, order),
            "line_items": [_line(order)],
            "metadata": ours,
            "success_url": f"{page}?back",
            "cancel_url": page,
            "allow_promotion_codes": True,
        }
        if settings.STRIPE_AUTOMATIC_TAX:
            fields["automatic_tax"] = {"enabled": True}
            fields["customer_update"] = {"address": "auto", "name": "auto"}
            fields["tax_id_collection"] = {"enabled": True}
        if order.plan is None:
            fields |= {"mode": "payment", "payment_intent_data": {"metadata": ours}}
        else:
            fields |= {
                "mode": "subscription",
                "subscription_data": {
                    "metadata": ours | {"plan": order.plan.key},
                    "trial_period_days": _trial_days(order) or None,
                },
            }
        try:
            session = api.post("checkout/sessions", fields, key=f"order:{order.pk}")
        except GatewayRefused as error:
            raise GatewayFailed(_reason(error)) from error
        return Checkout(session["id"], session["url"])

    def customer(
        self, workspace: Workspace, environment: str, order: Order | None = None
    ) -> str:
        """Return the ID of the customer that a workspace is; create it if need be."""
        rows = GatewayCustomer.objects.filter(
            workspace=workspace, environment=environment, store=Store.STRIPE
        )
        known = rows.values_list("external_id", flat=True).first()
        if known or order is None:
            return known or ""
        buyer = User.objects.filter(pk__in=[order.user_id]).first()
        made = Api(Environment(environment)).post(
            "customers",
            {
                "email": buyer.email if buyer else None,
                "name": workspace.name[:256] or None,
                "metadata": {"workspace": str(workspace.pk)},
            },
            # The fields may differ from those of a try long ago.
            key=f"customer:{workspace.pk}:{order.pk}",
        )
        with transaction.atomic():
            row, _ = GatewayCustomer.objects.get_or_create(
                workspace=workspace,
                environment=environment,
                store=Store.STRIPE,
                defaults={"external_id": made["id"]},
            )
        return row.external_id

    def portal(self, workspace: Workspace, environment: Environment) -> str:
        """Return the address of the portal: cards, invoices, change or cancel a plan.

        Empty if the workspace has not paid here yet.

        Raises:
            GatewayFailed: Stripe does not answer, or the portal is not configured there.
        """
        customer = self.customer(workspace, environment.value)
        if not customer:
            return ""
        back = settings.BASE_URL + reverse("credits-page")
        made = Api(environment).post(
            "billing_portal/sessions",
            {"customer": customer, "return_url": back},
            key=f"portal:{workspace.pk}:{time.time_ns()}",
        )
        return str(made["url"])

    def charge_saved_card(self, order: Order) -> tuple[str, Sequence[Fact]]:
        """Pay an order with the customer's saved card; return the payment's ID, and facts.

        Raises:
            GatewayFailed: it is not known whether the card was charged; repeat it.
            Unprocessable: there is no saved card.
        """
        api = Api(Environment(order.environment))
        customer = self.customer(order.workspace, order.environment)
        card = _saved_card(api, customer) if customer else None
        if card is None:
            raise Unprocessable("There is no saved card.")
        fields = {
            "amount": order.amount,
            "currency": order.currency.lower(),
            "customer": customer,
            "payment_method": card,
            "off_session": True,
            "confirm": True,
            "description": order.product.name,
            "metadata": {
                "order": str(order.pk),
                "workspace": str(order.workspace_id),
                "top_up": "1",
            },
        }
        try:
            intent = api.post("payment_intents", fields, key=str(order.pk))
        except GatewayRefused as error:
            declined = _error(error).get("payment_intent")
            if error.answered != 402 or not declined:
                raise GatewayFailed(_reason(error)) from error
            intent = declined
        return intent["id"], list(events.of_top_up(intent))

    def look_up(self, order: Order) -> Sequence[Fact]:
        """Return what the session of a pending order says, or its payment."""
        if not order.checkout_id:
            return ()
        api = Api(Environment(order.environment))
        if order.kind == Order.Kind.TOP_UP:
            return list(
                events.of_top_up(api.get(f"payment_intents/{order.checkout_id}"))
            )
        session = api.get(f"checkout/sessions/{order.checkout_id}")
        if session["subscription"]:
            first = api.get(f"subscriptions/{session['subscription']}")
            return list(events.of_invoice(first["latest_invoice"], api))
        return list(events.of_session(session))

    def refund(self, refund: Refund) -> Sequence[Fact]:
        """Pay back a part of an order."""
        order = refund.order
        if not order.money_id.startswith("pi_"):
            raise Unprocessable("Nothing was charged for this order.")
        api = Api(Environment(order.environment))
        try:
            made = api.post(
                "refunds",
                {
                    "payment_intent": order.money_id,
                    "amount": refund.amount,
                    "metadata": {"refund": str(refund.pk)},
                },
                key=refund.key,
            )
        except GatewayRefused as error:
            raise Unprocessable(f"Stripe refuses: {_reason(error)}") from error
        return events.facts_of("refund.created", made, lambda: api)

    def cancel(self, subscription: Subscription) -> None:
        """Cancel a subscription at Stripe, which then bills nothing more."""
        api = Api(Environment(subscription.environment))
        try:
            api.delete(f"subscriptions/{subscription.external_id}")
        except GatewayRefused as error:
            if error.answered != 404:  # canceled before
                raise

    # --- Callbacks -----------------------------------------------------------------------

    def verify(self, callback: Callback) -> Notice:
        """Check the signature with the secrets of both modes."""
        secrets: dict[str, str] = settings.STRIPE_HOOK_SECRETS
        if not any(secrets.values()):
            raise GatewayOff(gateway=self.name)
        environment = _signer(callback, secrets)
        try:
            event = json.loads(callback.body)
            notice = _notice(event)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise MalformedCallback from error
        if notice.environment != environment:
            raise MalformedCallback  # the secret of one mode, and the event of the other
        return notice

    def facts(self, event: InboxEvent) -> Sequence[Fact]:
        """Return what an event states."""
        told = json.loads(event.body)["data"]["object"]
        return events.facts_of(
            event.type, told, partial(Api, Environment(event.environment))
        )

    # --- Reconciliation ------------------------------------------------------------------

    def payments(
        self, environment: Environment, since: datetime, until: datetime
    ) -> Iterator[Payment]:
        """Yield the payments that succeeded: of checkouts, top-ups and invoices."""
        api = Api(environment)
        between = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        of_invoices = {}
        for invoice in api.all(
            "invoices", status="paid", created=between, expand=["data.payments"]
        ):
            parent = (invoice["parent"] or {}).get("subscription_details") or {}
            for paid in (invoice["payments"] or {}).get("data", []):
                intent = paid["payment"].get("payment_intent")
                of_invoices[intent] = events.order_in(parent.get("metadata"))
        for intent in api.all(
            "payment_intents", created=between, expand=["data.latest_charge"]
        ):
            if intent["status"] != "succeeded":
                continue
            order_id = events.order_in(intent["metadata"]) or of_invoices.get(
                intent["id"]
            )
            charge = intent["latest_charge"] or {}
            yield Payment(
                money_id=intent["id"],
                amount=intent["amount_received"],
                currency=intent["currency"].upper(),
                created_at=datetime.fromtimestamp(intent["created"], UTC),
                refunded=charge.get("amount_refunded") or 0,
                is_ours=order_id is not None,
            )

    def missed(
        self, environment: Environment, since: datetime, known: Collection[str]
    ) -> Iterator[tuple[Notice, bytes]]:
        """Yield the events that did not arrive; Stripe lists those of 30 days."""
        api = Api(environment)
        for first in range(0, len(EVENTS), _MOST_TYPES):
            for event in api.all(
                "events",
                created={"gte": int(since.timestamp())},
                types=list(EVENTS[first : first + _MOST_TYPES]),
            ):
                if event["id"] not in known:
                    yield _notice(event), json.dumps(event).encode()


def _signer(callback: Callback, secrets: Mapping[str, str]) -> str:
    """Return the environment whose secret has signed a callback.

    Raises:
        InvalidSignature: none has.
    """
    header = callback.headers.get("stripe-signature", "")
    for environment, secret in secrets.items():
        if secret:
            try:
                signing.verify(callback.body, header, secret)
            except InvalidSignature:
                continue
            return environment
    raise InvalidSignature


def _notice(event: Object) -> Notice:
    if event["object"] != "event" or not isinstance(event["data"]["object"], dict):
        raise ValueError("no event")
    environment = events.environment_of(event["livemode"] is True)
    return Notice(str(event["id"]), str(event["type"]), environment.value)


def _line(order: Order) -> dict[str, Any]:
    """Return the line of a checkout: a price that Stripe knows, or one as we sell it."""
    product = order.product
    is_live = order.environment == Environment.PRODUCTION
    price = product.stripe_price if is_live else product.stripe_test_price
    if price:
        return {"price": price, "quantity": 1}
    data: dict[str, Any] = {
        "currency": order.currency.lower(),
        "unit_amount": order.amount,
        "product_data": {"name": product.name},
    }
    if order.plan is not None:
        data["recurring"] = {"interval": _INTERVALS[Term(order.plan.term)]}
    return {"price_data": data, "quantity": 1}


def _trial_days(order: Order) -> int:
    """Return the days of the trial; 0 for a workspace that has had a plan before."""
    assert order.plan is not None
    had = Subscription.objects.for_workspace(order.workspace).filter(
        environment=order.environment
    )
    return 0 if had.exists() else order.plan.trial_days


def _saved_card(api: Api, customer: str) -> str | None:
    """Return the customer's card: the one for invoices, else the newest."""
    settings_of = api.get(f"customers/{customer}")["invoice_settings"] or {}
    if chosen := settings_of.get("default_payment_method"):
        return str(chosen)
    cards = api.get(f"customers/{customer}/payment_methods", type="card", limit=1)
    return str(cards["data"][0]["id"]) if cards["data"] else None


def _error(error: GatewayRefused) -> dict[str, Any]:
    found = error.error.get("error") if isinstance(error.error, dict) else None
    return found if isinstance(found, dict) else {}


def _reason(error: GatewayRefused) -> str:
    """Return Stripe's code for an error, without its message, which quotes values."""
    found = _error(error)
    return str(found.get("code") or found.get("type") or error.detail)[:100]
