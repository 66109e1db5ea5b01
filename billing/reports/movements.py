"""The ledger in plain words: what happened to a wallet, posting by posting."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.models import LedgerEntry, LedgerTransaction, Wallet

Bucket = LedgerEntry.Bucket

SPENDABLE = (Bucket.AVAILABLE, Bucket.DEBT)
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

    A page costs two queries, however long the history: the postings are cut off before
    their entries are added up.
    """
    rows = LedgerTransaction.objects.filter(wallet=wallet).order_by("-seq")
    if before is not None:
        rows = rows.filter(seq__lt=before)
    postings = list(rows.select_related("reservation")[: size + 1])
    entries: dict[UUID, list[LedgerEntry]] = {posting.pk: [] for posting in postings}
    for entry in LedgerEntry.objects.filter(transaction__in=entries).order_by("id"):
        entries[entry.transaction_id].append(entry)
    found = [_movement(posting, entries[posting.pk]) for posting in postings]
    more = len(found) > size
    return found[:size], found[size - 1].seq if more else None


def _movement(posting: LedgerTransaction, entries: list[LedgerEntry]) -> Movement:
    """Return a posting with its entries, in their order, as people read it."""
    held = sum(one.amount for one in entries if one.bucket == Bucket.RESERVED)
    return Movement(
        posting.seq,
        posting.created_at,
        in_words(posting.kind, posting.reason, -held),
        sum(one.amount for one in entries if one.bucket in SPENDABLE),
        entries[-1].balance_after,
        posting.reservation.job if posting.reservation else "",
    )
