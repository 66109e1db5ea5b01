"""The records of billing, one module per subject; each is imported from here."""

from billing.models.ledger import (
    ENVIRONMENTS,
    LONGEST_REASON,
    LOW_AT,
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Reservation,
    ReservationSlice,
    Split,
    Wallet,
)

__all__ = [
    "ENVIRONMENTS",
    "LONGEST_REASON",
    "LOW_AT",
    "LedgerEntry",
    "LedgerTransaction",
    "Lot",
    "Reservation",
    "ReservationSlice",
    "Split",
    "Wallet",
]
