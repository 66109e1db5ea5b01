"""Monthly statements of a wallet: opening balance, movements, payments, closing balance.

A balance is the available credits less the debt. Credits count as spent when they are
reserved for a job, and come back when they are released. Each entry stores the balance
after it, so a statement reads one month of the ledger only. A past month is computed once,
by a scheduled task (`billing.reports.closed_months`), and stored.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Case, Count, F, Q, Sum, Value, When
from django.db.models.functions import TruncDay
from django.utils import timezone

from billing.models import (
    ClosedMonth,
    LedgerEntry,
    LedgerTransaction,
    Purchase,
    Usage,
    Wallet,
)
from billing.plans.months import add_months
from billing.reports.movements import SPENDABLE, describe

_OF_WORK = ("reserve", "capture", "release")
MOST_MONTHS = 36
"""Most months in the list of a wallet's statements."""


@dataclass(frozen=True, slots=True)
class Line:
    """A change of the balance: one posting, or a day's speech."""

    day: datetime.date
    text: str
    credits: int


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment in the month; `amount` is in whole units of `currency`."""

    day: datetime.date
    name: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A month: `opening_balance` plus all lines is `closing_balance`."""

    wallet: Wallet
    month: datetime.date
    opening_balance: int
    closing_balance: int
    lines: list[Line]
    paid: list[Paid] = field(default_factory=list)
    scenes: int = 0
    characters: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the month is over, so that the statement no longer changes."""
        return midnight(month_after(self.month)) <= timezone.now()


def of(wallet: Wallet, month: datetime.date) -> Statement:
    """Return the statement of a month, given by its first day (UTC).

    It is computed now if it is not stored.
    """
    closed = ClosedMonth.objects.filter(wallet=wallet, month=month).first()
    if closed is None:
        return add_up(wallet, month)
    day = datetime.date.fromisoformat
    return Statement(
        wallet=wallet,
        month=month,
        opening_balance=closed.opening_balance,
        closing_balance=closed.closing_balance,
        lines=[Line(day(at), text, credits) for at, text, credits in closed.lines],
        paid=[
            Paid(day(at), name, Decimal(amount) / 100, currency)
            for at, name, amount, currency in closed.paid
        ],
        scenes=closed.scenes,
        characters=closed.characters,
    )


def add_up(wallet: Wallet, month: datetime.date) -> Statement:
    """Compute the statement of a month from the ledger, purchases and usage."""
    start, end = midnight(month), midnight(month_after(month))
    first, after = _first_since(wallet, start), _first_since(wallet, end)
    spoken = (
        Usage.objects.for_workspace(wallet.workspace)
        .filter(environment=wallet.environment, created_at__gte=start)
        .filter(created_at__lt=end)
        .aggregate(scenes=Count("pk"), characters=Sum("characters", default=0))
    )
    bought = Purchase.objects.filter(
        lot__wallet=wallet, created_at__gte=start, created_at__lt=end
    ).select_related("pack")
    return Statement(
        wallet=wallet,
        month=month,
        opening_balance=_balance_before(wallet, first),
        closing_balance=_balance_before(wallet, after),
        lines=list(_lines(wallet, first, after)),
        paid=[
            Paid(
                one.created_at.astimezone(datetime.UTC).date(),
                one.pack.name,
                Decimal(one.amount) / 100,
                one.currency,
            )
            for one in bought.order_by("pk")
        ],
        scenes=spoken["scenes"],
        characters=spoken["characters"],
    )


def months(wallet: Wallet) -> list[datetime.date]:
    """Return the first day of each month of a wallet, newest first."""
    month = month_of(timezone.now())
    found: list[datetime.date] = []
    while month >= month_of(wallet.created_at) and len(found) < MOST_MONTHS:
        found.append(month)
        month = month_of(midnight(month) - datetime.timedelta(days=1))
    return found


def _lines(wallet: Wallet, first: int, after: int) -> Iterator[Line]:
    """Yield the changes of the balance by day: each posting, then the day's speech."""
    is_work = Q(transaction__kind__in=_OF_WORK)
    rows = (
        LedgerEntry.objects.filter(
            wallet=wallet, seq__gte=first, seq__lt=after, bucket__in=SPENDABLE
        )
        .annotate(
            day=TruncDay("transaction__created_at", tzinfo=datetime.UTC),
            posting=Case(When(is_work, then=None), default=F("seq")),
            kind=Case(When(is_work, then=Value("")), default=F("transaction__kind")),
            reason=Case(
                When(is_work, then=Value("")), default=F("transaction__reason")
            ),
        )
        .values("day", "posting", "kind", "reason")
        .annotate(moved=Sum("amount"))
        .order_by("day", F("posting").asc(nulls_last=True))
    )
    for row in rows:
        if row["moved"]:
            kind = row["kind"]
            words = describe(kind, row["reason"]) if kind else "Speech"
            yield Line(row["day"].date(), words, row["moved"])


def _balance_before(wallet: Wallet, seq: int) -> int:
    """Return the balance before the posting with this number."""
    entries = LedgerEntry.objects.filter(
        wallet=wallet, seq__lt=seq, bucket__in=LedgerEntry.OF_THE_WALLET
    )
    last = entries.order_by("-seq", "-id").values_list("balance_after", flat=True)
    return last.first() or 0


def _first_since(wallet: Wallet, at: datetime.datetime) -> int:
    """Return the number of the first posting at or after a time.

    Numbers have no gaps and grow with time, so a binary search needs no index on time:
    about twenty lookups by primary key for any length of history.
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


def midnight(day: datetime.date) -> datetime.datetime:
    """Return the start of a day, UTC."""
    return datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC)


def month_after(month: datetime.date) -> datetime.date:
    """Return the first day of the next month."""
    return add_months(midnight(month), 1, day=1).date()


def month_of(at: datetime.datetime) -> datetime.date:
    """Return the first day of the month of a time, UTC."""
    return at.astimezone(datetime.UTC).date().replace(day=1)
