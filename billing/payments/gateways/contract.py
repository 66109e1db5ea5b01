"""What a payment gateway is: the interface of adapters, and the facts that they state.

An adapter speaks to one gateway, and never touches the ledger. It turns a callback into a
`Notice` without calling anyone, since the gateway waits for the answer; a worker then asks
it for the facts that the notice states, and posts them: `billing.payments.inbox`. What
adapters return for a look-up or a saved card is posted the same way.

Every fact that moves credits names the gateway's ID of the payment, which is the key of
its posting. So it counts once, however often and by whichever events it is told.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

from accounts.caller import Environment
from accounts.models import Workspace
from billing.models import (
    InboxEvent,
    Order,
    Pack,
    Plan,
    Refund,
    Store,
    Subscription,
)


@dataclass(frozen=True, slots=True)
class Callback:
    """A request of a gateway, as it arrived. Names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified callback: what the inbox stores besides its body."""

    event_id: str
    """The gateway's ID of it, the same whenever it is sent again."""
    type: str
    environment: str
    """An `Environment`; empty if the gateway names one that we don't know."""


class Unprocessable(Exception):
    """The event can't be posted as it is: an operator has to look at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """A payment. Amounts are in minor units of `currency`: 299 is 2.99 USD."""

    id: str
    """The gateway's ID of the payment: the key of everything that is posted for it."""
    amount: int
    """What was charged, with tax."""
    currency: str  # three capitals
    price: int | None = None
    """What the product cost before discounts and added tax; by default `amount`. It has to
    be the amount of the order, or nothing is granted and an operator looks at it."""
    tax: int = 0
    """Part of `amount`."""
    discount: int = 0
    """By promotion codes of the gateway's shop, already deducted from `amount`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Buyer:
    """Who paid, and for what: an order of ours, or a workspace and a product."""

    order_id: uuid.UUID | None = None
    workspace_id: uuid.UUID | None = None
    product: str = ""
    """Key of the pack or the plan; empty: that of the order, or of the subscription."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paid:
    """A pack was paid for."""

    store: Store
    buyer: Buyer
    money: Money
    review: str = ""
    """What an operator should look at, although the pack is granted: too much was paid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotPaid:
    """The payment of an order failed, or its page expired; nothing was paid."""

    store: Store
    order_id: uuid.UUID
    is_expired: bool = False
    error: str = ""
    """Why, in the gateway's words for the buyer; at most 200 characters are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclear:
    """Something was paid, but not what the order asked for: an operator decides.

    For payments that are partial, late or repeated.
    """

    store: Store
    order_id: uuid.UUID
    money_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refunded:
    """A payment, or a part of it, was paid back: its credits are taken back."""

    store: Store
    money_id: str
    refund_id: str
    amount: int | None = None
    """Minor units of this refund, not of all together; None: all that is left."""
    refund: uuid.UUID | None = None
    """Our `billing.models.Refund`, if an operator asked for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundFailed:
    """A refund that was reported did not arrive: its credits come back."""

    store: Store
    money_id: str
    refund_id: str
    refund: uuid.UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Disputed:
    """The buyer's bank takes a payment back: its credits are taken back until it is won."""

    store: Store
    money_id: str
    dispute_id: str
    amount: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeWon:
    """A dispute was decided for us: its credits come back."""

    store: Store
    money_id: str
    dispute_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewed:
    """A period of a plan was paid, the first or a later one, or a trial has begun."""

    store: Store
    buyer: Buyer
    """For a subscription that we know already, only `product` counts."""
    subscription_id: str
    money: Money
    """Of a trial: nothing, with an ID of its own."""
    period_start: datetime
    period_end: datetime
    is_trial: bool = False
    account: str = ""
    """The buyer's account at the store, which has one trial."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A subscription is in force, with this plan, and renews or ends with its period."""

    store: Store
    subscription_id: str
    product: str = ""
    """Key of the plan; empty: unchanged."""
    cancel_at_period_end: bool | None = None
    """None: unchanged."""
    period_end: datetime | None = None
    """Of the period that it is about: it counts no more if a later one is paid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastDue:
    """The payment of the next period has failed, and is tried again."""

    store: Store
    subscription_id: str
    pay_url: str = ""
    """Where the buyer can mend it; by default our page of credits."""
    period_end: datetime | None = None
    """Of the period that it is about: it counts no more if a later one is paid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A subscription has ended; its credits stay until their month ends."""

    store: Store
    subscription_id: str
    period_end: datetime | None = None
    """Of the period that it is about: it counts no more if a later one is paid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transferred:
    """All purchases of some customers in app stores belong to another one from now on."""

    transfer_id: str
    sources: Sequence[uuid.UUID]
    """The workspaces of those who had them."""
    target: uuid.UUID | None
    """None: the receiver is not known yet; it waits for `receiver`."""
    receiver: str
    """The receiver's ID at the gateway."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to post, and why: a sentence for operators."""

    reason: str


Fact: TypeAlias = (
    Paid
    | NotPaid
    | Unclear
    | Refunded
    | RefundFailed
    | Disputed
    | DisputeWon
    | Renewed
    | Changed
    | PastDue
    | Ended
    | Transferred
    | Ignored
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """The page at which an order is paid."""

    id: str
    """The gateway's ID of it."""
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """What a gateway lists as paid, for reconciliation."""

    money_id: str
    amount: int
    currency: str
    created_at: datetime
    refunded: int | None = 0
    """None: the gateway does not know, because the money is sent by hand."""
    is_ours: bool = True
    """Whether it says that it was for an order of this installation."""


class Gateway(Protocol):
    """A gateway whose callbacks we take. Adapters have no state, and no transaction is
    open while they are called, except by `verify`, which calls nobody."""

    name: str
    """As in `/hooks/<name>`, and in the registry."""
    label: str
    """For buyers, after "Buy with": such as `card`."""
    secret_fields: Sequence[str]
    """JSON keys of callbacks whose values are not stored."""
    acknowledgement: Mapping[str, object]
    """The JSON that it takes for success, with status 200."""

    def verify(self, callback: Callback) -> Notice:
        """Check a callback over its raw bytes, by `hmac.compare_digest`.

        Raises:
            GatewayOff: its secret is not set.
            InvalidSignature: the signature or the `Authorization` is wrong.
            MalformedCallback: it is signed, but not what the gateway documents.
        """
        ...

    def facts(self, event: InboxEvent) -> Sequence[Fact]:
        """Return what an event states, after reading it again where that is safer.

        Raises:
            GatewayFailed: the gateway could not be asked; it is retried.
            Unprocessable: an operator has to look at it.
        """
        ...


@runtime_checkable
class Sells(Gateway, Protocol):
    """A gateway at which orders can be paid."""

    def is_on(self, environment: Environment) -> bool:
        """Return whether its keys for the environment are set."""
        ...

    def sells(self, product: Pack | Plan, environment: Environment) -> bool:
        """Return whether the product can be paid for here."""
        ...

    def checkout(self, order: Order) -> Checkout:
        """Create the page at which an order is paid; the order's ID makes it idempotent.

        Raises:
            GatewayFailed: it is not known whether the page exists; it can be retried.
        """
        ...

    def look_up(self, order: Order) -> Sequence[Fact]:
        """Return what the gateway says about a pending order; empty: nothing yet.

        Raises:
            GatewayFailed: the gateway could not be asked.
        """
        ...


@runtime_checkable
class Refunds(Gateway, Protocol):
    """A gateway that pays back at our request."""

    def refund(self, refund: Refund) -> Sequence[Fact]:
        """Pay back `refund.amount` of its order; `refund.key` makes it idempotent.

        Raises:
            GatewayFailed: it is not known whether it was; it can be retried.
            Unprocessable: the gateway refuses.
        """
        ...


@runtime_checkable
class ChargesSavedCards(Sells, Protocol):
    """A gateway that can charge a saved card without its owner."""

    def charge_saved_card(self, order: Order) -> tuple[str, Sequence[Fact]]:
        """Pay an order, with its ID as idempotency key; return the payment's ID, and facts.

        Raises:
            GatewayFailed: it is not known whether the card was charged; repeat it.
            Unprocessable: there is no saved card.
        """
        ...


@runtime_checkable
class HasPortal(Gateway, Protocol):
    """A gateway where buyers manage cards, invoices and plans themselves."""

    def portal(self, workspace: Workspace, environment: Environment) -> str:
        """Return the address of the portal; empty if nothing was bought here.

        Raises:
            GatewayFailed: the gateway could not be asked.
        """
        ...


@runtime_checkable
class Cancels(Gateway, Protocol):
    """A gateway that bills plans until they are canceled there."""

    def cancel(self, subscription: Subscription) -> None:
        """Cancel a subscription now; safe to repeat.

        Raises:
            GatewayFailed: it is not known whether it was; it can be repeated.
        """
        ...


@runtime_checkable
class Lists(Gateway, Protocol):
    """A gateway that lists what was paid, and its events."""

    def payments(
        self, environment: Environment, since: datetime, until: datetime
    ) -> Iterator[Payment]:
        """Yield the payments that succeeded in that time.

        Raises:
            GatewayFailed: the gateway could not be asked.
        """
        ...

    def missed(
        self, environment: Environment, since: datetime, known: Collection[str]
    ) -> Iterator[tuple[Notice, bytes]]:
        """Yield the events since then, with their bodies, whose IDs are not `known`."""
        ...
