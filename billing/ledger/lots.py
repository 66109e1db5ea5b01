"""Lots: open one, draw credits from them, and repay a debt."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.errors import LedgerKeyReused
from billing.ledger.posting import Bucket, LockedWallet, Transfer
from billing.models import LedgerTransaction, Lot

DRAW_ORDER = {
    Lot.Kind.ALLOWANCE: 10,
    Lot.Kind.PROMO: 20,
    Lot.Kind.PACK: 30,
    Lot.Kind.ADJUST: 30,
}
"""Order of drawing by kind: the lowest number pays first, since it ends soonest. Within a
number the earliest expiry goes first, then the oldest lot."""

LARGEST_GRANT = 1_000_000_000_000
"""Most credits in one grant; far below the limit of a wallet's columns (bigint)."""

REPAYING = (Lot.Kind.PACK, Lot.Kind.ADJUST)
"""Kinds of lots that repay a debt before they can be spent."""

_OPEN_LOT = """
INSERT INTO billing_lot
    (wallet_id, environment, kind, priority, granted, available, reserved, consumed,
     expired, revoked, adjusted, repaid, effective_at, expires_at, lapses, source,
     restores_id, created_at)
VALUES (%(wallet)s, %(environment)s, %(kind)s, %(priority)s, %(credits)s, %(credits)s,
        0, 0, 0, 0, 0, 0, coalesce(%(effective_at)s, statement_timestamp()),
        %(expires_at)s, %(lapses)s, %(source)s, %(restores)s, statement_timestamp())
ON CONFLICT (environment, source) DO NOTHING
RETURNING id, effective_at <= statement_timestamp()
"""
# Returns at least one row: it has the time, and the reservation that has the key.
DRAWABLE = """
SELECT now, reservation.id, lot.id, lot.kind, lot.available
FROM statement_timestamp() AS now
LEFT JOIN billing_reservation AS reservation ON reservation.key = %(key)s
LEFT JOIN billing_lot AS lot
    ON lot.wallet_id = %(wallet)s AND lot.available > 0 AND lot.effective_at <= now
    AND (lot.expires_at IS NULL OR lot.expires_at > now)
ORDER BY lot.priority, lot.expires_at NULLS LAST, lot.id
"""


@dataclass(frozen=True, slots=True)
class NewLot:
    """A lot to open."""

    kind: Lot.Kind
    credits: int
    source: str
    effective_at: datetime | None = None  # None: now
    expires_at: datetime | None = None
    lapses: bool = False
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class Drawable:
    """The lots that a wallet can pay with now, in the order of drawing."""

    now: datetime
    reservation: UUID | None  # that already has the key
    lots: list[tuple[int, str, int]]  # id, kind, available

    @property
    def credits(self) -> int:
        """Sum of the lots' credits; a debt is not subtracted."""
        return sum(available for _, _, available in self.lots)

    def draw(self, credits: int) -> Iterable[tuple[int, str, int]]:
        """Yield id, kind and credits of each lot that pays, until `credits` are drawn."""
        for lot, kind, available in self.lots:
            if credits == 0:
                return
            drawn = min(available, credits)
            credits -= drawn
            yield lot, kind, drawn


def drawable(wallet: LockedWallet, key: str = "") -> Drawable:
    """Return the lots that the wallet can pay with, and the reservation of this key."""
    wallet.cursor.execute(DRAWABLE, {"wallet": wallet.id, "key": key})
    rows = wallet.cursor.fetchall()
    now, reservation = rows[0][:2]
    return Drawable(now, reservation, [row[2:] for row in rows if row[2] is not None])


def open_lot(wallet: LockedWallet, new: NewLot) -> list[Transfer] | None:
    """Insert a lot, return the transfers that fill it; None if its source was used before.

    A lot that is bought, added by an operator or restored by a reversal repays the wallet's
    debt at once, unless it begins later. Waits for another transaction that is using the
    same source now, in any wallet.
    """
    wallet.cursor.execute(
        _OPEN_LOT,
        {
            "wallet": wallet.id,
            "environment": wallet.environment,
            "kind": new.kind.value,
            "priority": DRAW_ORDER[new.kind],
            "credits": new.credits,
            "source": new.source,
            "effective_at": new.effective_at,
            "expires_at": new.expires_at,
            "lapses": new.lapses,
            "restores": new.restores,
        },
    )
    row = wallet.cursor.fetchone()
    if row is None:
        return None
    lot, has_begun = row
    transfers = [Transfer(lot, Bucket.FUNDING, Bucket.AVAILABLE, new.credits)]
    repaid = min(new.credits, wallet.debt)
    if repaid and has_begun and (new.kind in REPAYING or new.restores):
        transfers.append(Transfer(lot, Bucket.AVAILABLE, Bucket.DEBT, repaid))
    return transfers


def repay_debt_first(
    lot: int, source: Bucket, target: Bucket, credits: int, debt: int
) -> list[Transfer]:
    """Return transfers of a lot's `credits`: to `debt` first, the rest to `target`."""
    repaid = min(credits, debt)
    parts = ((Bucket.DEBT, repaid), (target, credits - repaid))
    return [Transfer(lot, source, bucket, part) for bucket, part in parts if part]


def find_posted(
    wallet: LockedWallet, key: str, content: str
) -> LedgerTransaction | None:
    """Return the transaction that was posted under `key`; None if the key is free.

    Raises:
        LedgerKeyReused: the key was used for something other than `content`.
    """
    first = LedgerTransaction.objects.filter(wallet=wallet.id, key=key).first()
    if first is not None and first.fingerprint != content:
        raise LedgerKeyReused(key=key)
    return first
