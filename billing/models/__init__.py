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
from billing.models.notices import LapseNotice
from billing.models.proofs import LedgerProof

__all__ = [
    "ENVIRONMENTS",
    "LONGEST_REASON",
    "LOW_AT",
    "LapseNotice",
    "LedgerEntry",
    "LedgerProof",
    "LedgerTransaction",
    "Lot",
    "Reservation",
    "ReservationSlice",
    "Split",
    "Wallet",
]
