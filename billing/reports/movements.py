"""The history of a wallet in words, one line per posting."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.models import LedgerEntry, LedgerTransaction, Wallet

Bucket = LedgerEntry.Bucket

SPENDABLE = (Bucket.AVAILABLE, Bucket.DEBT)
"""The buckets that sum to a balance: available credits, less the debt."""

_WORDS = {
    "grant": "Added",
    "reserve": "Held for a job",
    "capture": "Used: {held} of the held credits",
    "release": "Released from a job",
    "expire": "Lapsed",
    "refund": "Refunded",
    "reverse": "Refund reversed",
    "adjust": "Adjusted",
}


@dataclass(frozen=True, slots=True)
class Movement:
    """A posting for display."""

    seq: int
    at: datetime
    text: str
    credits: int  # change of the balance
    balance: int  # after it
    job: str


def describe(kind: str, reason: str = "", held: int = 0) -> str:
    """Describe a posting; `held` is the number of held credits that it used."""
    words = _WORDS.get(kind, kind.capitalize()).format(held=f"{held:,}")
    return f"{words}: {reason}" if reason else words


def page(
    wallet: Wallet,
    *,
    before: int | None = None,
    size: int = 50,
    user_id: UUID | None = None,
) -> tuple[list[Movement], int | None]:
    """Return the newest movements with a number below `before`, and that of the next page.

    With `user_id` they are those of the credits that this user used.

    A page costs two queries for any length of history: the postings are limited before
    their entries are summed.
    """
    rows = LedgerTransaction.objects.filter(wallet=wallet).order_by("-seq")
    if user_id is not None:
        rows = rows.filter(reservation__user_id=user_id)
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
    """Return the movement of a posting and its entries, which are in their order."""
    held = sum(one.amount for one in entries if one.bucket == Bucket.RESERVED)
    return Movement(
        posting.seq,
        posting.created_at,
        describe(posting.kind, posting.reason, -held),
        sum(one.amount for one in entries if one.bucket in SPENDABLE),
        entries[-1].balance_after,
        posting.reservation.job if posting.reservation else "",
    )
