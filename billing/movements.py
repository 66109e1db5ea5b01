"""The ledger in plain words: what happened to a wallet, posting by posting."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.models import LedgerEntry, LedgerTransaction, Wallet

SPENDABLE = (LedgerEntry.Bucket.AVAILABLE, LedgerEntry.Bucket.DEBT)
"""What a balance is made of: credits that can be spent, less what is owed."""

_WORDS = {
    "grant": "Added",
    "reserve": "Held for a job",
    "capture": "Spoken: {held} of what was held",
    "release": "Came back from a job",
    "expire": "Lapsed",
    "refund": "Refunded",
    "reverse": "Refund taken back",
    "adjust": "Set right",
}


@dataclass(frozen=True, slots=True)
class Movement:
    """A posting as people read it."""

    seq: int
    at: datetime
    text: str
    credits: int  # what the balance grew by
    balance: int  # after it
    job: str


def in_words(kind: str, reason: str = "", held: int = 0) -> str:
    """Return what a posting did."""
    words = _WORDS.get(kind, kind.capitalize()).format(held=f"{held:,}")
    return f"{words}: {reason}" if reason else words


def page(
    wallet: Wallet, *, before: int | None = None, size: int = 50
) -> tuple[list[Movement], int | None]:
    """Return the newest movements below a number, and that of the next page.

    A page costs one query, however long the history.
    """
    rows = LedgerTransaction.objects.filter(wallet=wallet)
    if before is not None:
        rows = rows.filter(seq__lt=before)
    of_each = LedgerEntry.objects.filter(transaction=OuterRef("pk"))
    rows = (
        rows.select_related("reservation")
        .annotate(
            moved=Coalesce(
                Sum("entries__amount", filter=Q(entries__bucket__in=SPENDABLE)), 0
            ),
            held=Coalesce(
                Sum(
                    "entries__amount",
                    filter=Q(entries__bucket=LedgerEntry.Bucket.RESERVED),
                ),
                0,
            ),
            balance=Subquery(of_each.order_by("-id").values("balance_after")[:1]),
        )
        .order_by("-seq")[: size + 1]
    )
    found = [
        Movement(
            row.seq,
            row.created_at,
            in_words(row.kind, row.reason, -row.held),
            row.moved,
            row.balance,
            row.reservation.job if row.reservation else "",
        )
        for row in rows
    ]
    more = len(found) > size
    return found[:size], found[size - 1].seq if more else None
