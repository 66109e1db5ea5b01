"""Monthly statements: what a wallet held when a month began, what happened, what was left.

A balance is what could be spent, less what was owed; credits count as spent when they are
held for a job, and come back when they are not needed. Each entry keeps the balance after
it, so a statement reads one month of the ledger, whatever lies before.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from billing.models import LedgerEntry, LedgerTransaction, Purchase, Usage, Wallet
from billing.months import add_months
from billing.movements import SPENDABLE, in_words

_OF_WORK = ("reserve", "capture", "release")
_MOST_MONTHS = 36  # in the list of a wallet's statements


@dataclass(frozen=True, slots=True)
class Line:
    """What changed the balance: one posting, or a day's work."""

    day: datetime.date
    text: str
    credits: int


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment within the month."""

    day: datetime.date
    name: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of a wallet: `opening` and all lines add up to `closing`."""

    wallet: Wallet
    month: datetime.date
    opening: int
    closing: int
    lines: list[Line]
    paid: list[Paid] = field(default_factory=list)
    scenes: int = 0
    characters: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the month is, so that nothing changes any more."""
        return _midnight(_next(self.month)) <= timezone.now()


def of(wallet: Wallet, month: datetime.date) -> Statement:
    """Return the statement of a month, given by its first day, UTC."""
    start, end = _midnight(month), _midnight(_next(month))
    first, after = _first_since(wallet, start), _first_since(wallet, end)
    spoken = Usage.objects.for_workspace(wallet.workspace).filter(
        environment=wallet.environment, created_at__gte=start, created_at__lt=end
    )
    bought = Purchase.objects.filter(
        lot__wallet=wallet, created_at__gte=start, created_at__lt=end
    ).select_related("pack")
    return Statement(
        wallet=wallet,
        month=month,
        opening=_balance_before(wallet, first),
        closing=_balance_before(wallet, after),
        lines=sorted(_lines(wallet, first, after), key=lambda line: line.day),
        paid=[
            Paid(
                one.created_at.astimezone(datetime.UTC).date(),
                one.pack.name,
                Decimal(one.amount) / 100,
                one.currency,
            )
            for one in bought.order_by("pk")
        ],
        scenes=spoken.count(),
        characters=spoken.aggregate(all=Sum("characters", default=0))["all"],
    )


def months(wallet: Wallet) -> list[datetime.date]:
    """Return the first days of the months of a wallet, the newest first."""
    month = _month_of(timezone.now())
    found: list[datetime.date] = []
    while month >= _month_of(wallet.created_at) and len(found) < _MOST_MONTHS:
        found.append(month)
        month = _month_of(_midnight(month) - datetime.timedelta(days=1))
    return found


def _lines(wallet: Wallet, first: int, after: int) -> Iterator[Line]:
    entries = LedgerEntry.objects.filter(
        wallet=wallet, seq__gte=first, seq__lt=after, bucket__in=SPENDABLE
    ).annotate(
        day=TruncDay("transaction__created_at", tzinfo=datetime.UTC),
    )
    others = (
        entries.exclude(transaction__kind__in=_OF_WORK)
        .values("seq", "day", "transaction__kind", "transaction__reason")
        .annotate(moved=Sum("amount"))
        .order_by("seq")
    )
    for row in others:
        if row["moved"]:
            words = in_words(row["transaction__kind"], row["transaction__reason"])
            yield Line(row["day"].date(), words, row["moved"])
    work = entries.filter(transaction__kind__in=_OF_WORK)
    for spoken in work.values("day").annotate(moved=Sum("amount")).order_by("day"):
        if spoken["moved"]:
            yield Line(spoken["day"].date(), "Speech", spoken["moved"])


def _balance_before(wallet: Wallet, seq: int) -> int:
    """Return the balance after all postings with a lower number."""
    entries = LedgerEntry.objects.filter(
        wallet=wallet, seq__lt=seq, bucket__in=LedgerEntry.OF_THE_WALLET
    )
    last = entries.order_by("-seq", "-id").values_list("balance_after", flat=True)
    return last.first() or 0


def _first_since(wallet: Wallet, at: datetime.datetime) -> int:
    """Return the number of the first posting at or after a moment.

    Numbers have no gaps and grow with time, so a search by halves needs no index on time:
    some twenty looks at the key of the table, however long the history.
    """
    low, high = 1, wallet.seq + 1
    if at > timezone.now():
        return high
    postings = LedgerTransaction.objects.filter(wallet=wallet)
    while low < high:
        middle = (low + high) // 2
        posted = postings.values_list("created_at", flat=True).get(seq=middle)
        if posted < at:
            low = middle + 1
        else:
            high = middle
    return low


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC)


def _next(month: datetime.date) -> datetime.date:
    return add_months(_midnight(month), 1, day=1).date()


def _month_of(at: datetime.datetime) -> datetime.date:
    return at.astimezone(datetime.UTC).date().replace(day=1)
