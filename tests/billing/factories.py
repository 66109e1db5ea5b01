"""Wallets and postings for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import ApiToken, Workspace
from billing import ledger
from billing.credits import token_limits
from billing.ledger import invariants
from billing.ledger.wallets import wallet_of
from billing.models import (
    LapseNotice,
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Reservation,
    Split,
    TokenSpending,
    Wallet,
)
from kit.ids import new_id
from tests.billing.chaining import rehash

_MOMENTS = {
    "wallet": ("created_at", "last_activity_at"),
    "lot": ("created_at", "effective_at", "expires_at"),
    "reservation": ("created_at", "deadline"),
    "ledgertransaction": ("created_at",),
    "lapsenotice": ("created_at", "lapses_at"),
}


def wallet(*lots: tuple[str, int], environment: str = "PRODUCTION") -> Wallet:
    """Return a new wallet with a lot for each pair of kind and credits."""
    made = wallet_of(Workspace.objects.create(name="Test"), environment)
    for kind, credits in lots:
        grant(made, credits, kind=kind)
    return Wallet.objects.get(pk=made.pk)


def grant(to: Wallet, credits: int, **fields: Any) -> LedgerTransaction:
    """Grant in a transaction of its own; by default a pack from a new source.

    An allowance ends in a month, unless the caller says when.
    """
    source = f"test:{new_id()}"
    values: dict[str, Any] = {
        "key": source,
        "kind": "pack",
        "source": source,
        "reason": "Test",
    }
    if fields.get("kind") == "allowance":
        values["expires_at"] = timezone.now() + timedelta(days=30)
    with transaction.atomic():
        return ledger.grant(to, credits, **(values | fields))


def reserve(
    of: Wallet, credits: int, key: str = "job:1:1", **fields: Any
) -> Reservation:
    """Reserve in a transaction of its own, for a job named `1`."""
    values: dict[str, Any] = {
        "job": "1",
        "deadline": timezone.now() + timedelta(hours=1),
    }
    with transaction.atomic():
        return ledger.reserve(of, credits, key=key, **(values | fields))


def capture(
    credits: int, key: str = "scene:1:1", reservation: str = "job:1:1"
) -> Split:
    """Capture in a transaction of its own."""
    with transaction.atomic():
        return ledger.capture(reservation, credits, key=key)


def release(reservation: str = "job:1:1", **fields: Any) -> int:
    """Release in a transaction of its own."""
    with transaction.atomic():
        return ledger.release(reservation, **fields)


def refund(source: str, part: int | Fraction, **fields: Any) -> int:
    """Refund in a transaction of its own; by default in production, under `refund`."""
    values = {"environment": "PRODUCTION", "key": "refund", "reason": "Test"}
    with transaction.atomic():
        return ledger.refund(source, part, **(values | fields))


def reverse(
    source: str, refund_key: str = "refund", **fields: Any
) -> LedgerTransaction:
    """Reverse a refund in a transaction of its own."""
    values = {"environment": "PRODUCTION", "reason": "Test"}
    with transaction.atomic():
        return ledger.reverse(source, refund_key, **(values | fields))


def adjust(of: Wallet, credits: int, **fields: Any) -> LedgerTransaction:
    """Adjust in a transaction of its own, as an operator."""
    values = {
        "key": "adjust",
        "reason": "Test",
        "actor": "op@example.com",
        "ticket": "T-1",
    }
    with transaction.atomic():
        return ledger.adjust(of, credits, **(values | fields))


def expire(lot: Lot) -> int:
    """Expire in a transaction of its own."""
    with transaction.atomic():
        return ledger.expire(lot.pk)


def warn(lot: Lot, ago: timedelta = ledger.NOTICE) -> None:
    """Record a warning, sent so long ago, that a lot lapses for inactivity."""
    found = Lot.objects.select_related("wallet").filter(pk=lot.pk).first()
    if found:
        used = max(found.wallet.last_activity_at, found.effective_at)
        LapseNotice.objects.get_or_create(
            wallet=found.wallet,
            stage="idle_358",
            lapses_at=used + ledger.IDLE,
            defaults={"credits": 1, "created_at": timezone.now() - ago},
        )


def lapse_idle(lot: Lot) -> int:
    """Lapse for inactivity in a transaction of its own, after a warning in time."""
    warn(lot)
    with transaction.atomic():
        return ledger.lapse(lot.pk)


def owing(credits: int) -> Wallet:
    """Return a wallet with a debt: it has spent a pack of `credits` that was refunded."""
    made = wallet()
    source = f"owing:{made.pk}"
    grant(made, credits, source=source)
    reserve(made, credits, key=f"owing:{made.pk}")
    capture(credits, f"owing:{made.pk}", f"owing:{made.pk}")
    refund(source, credits, environment=made.environment, key="owing")
    return made


def shift(of: Wallet, back: timedelta) -> None:
    """Move all times of a wallet into the past, as if so much time had passed."""
    with without_guards() as cursor:
        for table, names in _MOMENTS.items():
            moved = ", ".join(f"{name} = {name} - %(back)s" for name in names)
            owner = "id" if table == "wallet" else "wallet_id"
            cursor.execute(
                f"UPDATE billing_{table} SET {moved} WHERE {owner} = %(wallet)s",
                {"back": back, "wallet": of.pk},
            )
        rehash(cursor, of.pk)
    of.refresh_from_db()


def lapse(lot: Lot, at: datetime | None = None) -> None:
    """Make a lot expired."""
    with without_guards() as cursor:
        Lot.objects.filter(pk=lot.pk).update(expires_at=at or timezone.now())
        rehash(cursor, lot.wallet_id)


def spent(token: ApiToken, environment: str) -> int:
    """Return the credits counted for a limited token in the current month."""
    rows = TokenSpending.objects.filter(
        token_id=token.pk, environment=environment, month=token_limits.this_month()
    )
    return rows.values_list("credits", flat=True).first() or 0


def columns(of: Wallet) -> tuple[int, int, int]:
    """Return what a wallet has available, reserved and consumed."""
    of.refresh_from_db()
    return of.available, of.reserved, of.consumed


def lots(of: Wallet) -> list[tuple[str, int, int, int, int]]:
    """Return kind, available, reserved, consumed and expired of each lot, oldest first."""
    return list(
        of.lots.order_by("id").values_list(
            "kind", "available", "reserved", "consumed", "expired"
        )
    )


def entries(of: Wallet) -> list[tuple[str, str, int, int]]:
    """Return kind, bucket, amount and balance after it of all entries, oldest first."""
    return list(
        LedgerEntry.objects.filter(wallet=of)
        .order_by("seq", "id")
        .values_list("transaction__kind", "bucket", "amount", "balance_after")
    )


def violations() -> dict[str, int]:
    """Return the invariants that are violated, with their counts."""
    return {
        result.invariant.name: result.count
        for result in invariants.verify()
        if result.count
    }


@contextmanager
def nothing_changes(of: Wallet) -> Iterator[None]:
    """Fail if the block changes the wallet or anything that belongs to it."""
    before = _everything(of)
    yield
    assert _everything(of) == before


@contextmanager
def without_guards() -> Iterator[Any]:
    """Yield a cursor without the triggers of the ledger and without foreign key checks."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor


def _everything(of: Wallet) -> list[Any]:
    return [
        Wallet.objects.filter(pk=of.pk).values().get(),
        *of.lots.order_by("pk").values(),
        *of.reservations.order_by("pk").values(),
        *of.transactions.order_by("pk").values(),
        *LedgerEntry.objects.filter(wallet=of).order_by("pk").values(),
    ]
