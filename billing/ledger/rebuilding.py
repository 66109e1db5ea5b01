"""Rebuild the columns of a wallet, its lots and reservations from its entries.

A posting computes both from the same transfers, so they agree. If they differ, after a
manual change in the database, the entries are right: they can't be changed.
"""

from collections import defaultdict
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Max, Model, Sum

from billing.errors import LedgerBroken
from billing.ledger.posting import LOT_COLUMN, WALLET_COLUMN, Bucket, Kind, lock
from billing.models import LedgerEntry, LedgerTransaction, Lot, Reservation, Wallet
from kit.db.transactions import needs_transaction

_Sums = dict[object, dict[str, int]]  # columns by row


@dataclass(frozen=True, slots=True)
class Difference:
    """A column that differed from the sum of the entries."""

    row: str
    column: str
    stored: int
    derived: int


@needs_transaction
def rebuild(wallet: int) -> list[Difference]:
    """Correct the columns of a wallet that differ from its entries; return the differences.

    For a correct wallet it returns an empty list and writes nothing. It reads the wallet's
    whole history, under its lock.

    Raises:
        LedgerBroken: the entries themselves don't add up; nothing was changed.
        Wallet.DoesNotExist: there is no such wallet.
    """
    locked = lock(wallet)
    lots, whole = _from_entries(locked.id)
    last = LedgerTransaction.objects.filter(wallet=locked.id).aggregate(Max("seq"))
    whole["seq"] = last["seq__max"] or 0
    return [
        *_correct(Wallet, [locked.id], {locked.id: whole}, list(whole)),
        *_correct(
            Lot,
            Lot.objects.filter(wallet=locked.id).values_list("pk", flat=True),
            lots,
            ["granted", *LOT_COLUMN.values()],
        ),
        *_correct(
            Reservation,
            Reservation.objects.filter(wallet=locked.id).values_list("pk", flat=True),
            _from_resolutions(locked.id),
            ["captured", "released"],
        ),
    ]


def _from_entries(wallet: int) -> tuple[_Sums, dict[str, int]]:
    """Return the right columns of each lot, and of the wallet, from the entries."""
    lots: _Sums = defaultdict(lambda: defaultdict(int))
    whole: dict[str, int] = dict.fromkeys(
        (column for column, _ in WALLET_COLUMN.values()), 0
    )
    sums = (
        LedgerEntry.objects.filter(wallet=wallet)
        .values_list("lot", "bucket")
        .annotate(Sum("amount"))
        .order_by()
    )
    total = 0
    for lot, name, amount in sums:
        bucket = Bucket(name)
        column, sign = WALLET_COLUMN[bucket]
        whole[column] += sign * amount
        total += amount
        if bucket == Bucket.FUNDING:
            lots[lot]["granted"] -= amount
        else:
            lots[lot][LOT_COLUMN[bucket]] += amount
    if total:
        raise LedgerBroken(wallet=f"wallet {wallet}")
    return lots, whole


def _from_resolutions(wallet: int) -> _Sums:
    """Return how many credits of each reservation were captured and released."""
    reservations: _Sums = defaultdict(lambda: defaultdict(int))
    sums = (
        LedgerEntry.objects.filter(
            wallet=wallet, transaction__reservation__isnull=False
        )
        .values_list("transaction__reservation", "transaction__kind", "bucket")
        .annotate(Sum("amount"))
        .order_by()
    )
    for reservation, kind, bucket, amount in sums:
        if kind == Kind.CAPTURE and bucket == Bucket.USAGE:
            reservations[reservation]["captured"] += amount
        elif kind == Kind.RELEASE and bucket == Bucket.RESERVED:
            reservations[reservation]["released"] -= amount
    return reservations


def _correct(
    model: type[Model], rows: object, derived: _Sums, columns: list[str]
) -> list[Difference]:
    """Correct `columns` of `rows` that differ from `derived`; return the differences."""
    found = []
    manager = model._default_manager
    for stored in manager.filter(pk__in=rows).order_by("pk").values("pk", *columns):
        pk = stored["pk"]
        right = {column: derived.get(pk, {}).get(column, 0) for column in columns}
        wrong = {column: n for column, n in right.items() if stored[column] != n}
        if not wrong:
            continue
        name = f"{model._meta.model_name} {pk}"
        try:
            with transaction.atomic():
                manager.filter(pk=pk).update(**wrong)
        except (
            IntegrityError
        ) as error:  # a check constraint: no valid posting leads there
            raise LedgerBroken(wallet=name) from error
        found += [
            Difference(name, column, stored[column], n) for column, n in wrong.items()
        ]
    return found
