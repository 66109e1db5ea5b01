"""The models of billing, one module per subject. Import them from here."""

from billing.models.customers import MobileCustomer, MobileCustomerId
from billing.models.inbox import InboxEvent
from billing.models.ledger import (
    ENVIRONMENTS,
    LOW_AT,
    Lot,
    Reservation,
    ReservationSlice,
    Split,
    Wallet,
)
from billing.models.notices import LapseNotice
from billing.models.orders import GatewayCustomer, Order, Refund
from billing.models.postings import (
    LONGEST_REASON,
    LONGEST_TICKET,
    LedgerEntry,
    LedgerTransaction,
)
from billing.models.products import Pack, Plan, Product, Term
from billing.models.promo import PromoCode, PromoRedemption
from billing.models.proofs import LedgerProof
from billing.models.purchases import Purchase
from billing.models.reconciliations import Reconciliation
from billing.models.requests import CreditRequest
from billing.models.statements import ClosedMonth, MonthEndRun
from billing.models.subscriptions import Store, Subscription, SubscriptionPeriod
from billing.models.top_ups import TopUp
from billing.models.usage import Payer, TokenReservation, TokenSpending, Usage

__all__ = [
    "ENVIRONMENTS",
    "LONGEST_REASON",
    "LONGEST_TICKET",
    "LOW_AT",
    "ClosedMonth",
    "CreditRequest",
    "GatewayCustomer",
    "InboxEvent",
    "LapseNotice",
    "LedgerEntry",
    "LedgerProof",
    "LedgerTransaction",
    "Lot",
    "MobileCustomer",
    "MobileCustomerId",
    "MonthEndRun",
    "Order",
    "Pack",
    "Payer",
    "Plan",
    "Product",
    "PromoCode",
    "PromoRedemption",
    "Purchase",
    "Reconciliation",
    "Refund",
    "Reservation",
    "ReservationSlice",
    "Split",
    "Store",
    "Subscription",
    "SubscriptionPeriod",
    "Term",
    "TokenReservation",
    "TokenSpending",
    "TopUp",
    "Usage",
    "Wallet",
]
