"""The ledger: the only writer of wallets, lots, reservations and entries.

Each verb moves whole credits between buckets in one posting (`billing.posting`). Every verb

- needs an open transaction and refuses to run without one: the use case opens it, and
  what it does besides commits or fails together with the posting;
- happens once per key: repeated, it changes nothing and gives the first result; a key
  that comes again for something else is refused;
- locks the wallet first. A caller that also locks a job or a scene does so before; lots
  and reservations are only ever written under the lock of their wallet.

Time is the database's, read while the lock is held: two machines' clocks never decide
what a lot can pay for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing import notices
from billing.errors import InsufficientCredits, LedgerKeyReused, ReservationExhausted
from billing.models import (
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Reservation,
    Split,
    Wallet,
)
from billing.posting import (
    Bucket,
    Kind,
    Locked,
    Movement,
    fingerprint,
    lock,
    lock_by_reservation,
    post,
    require_transaction,
)
from kit.ids import new_id

DRAW_ORDER = {
    Lot.Kind.ALLOWANCE: 10,
    Lot.Kind.PROMO: 20,
    Lot.Kind.PACK: 30,
    Lot.Kind.ADJUST: 30,
}
"""What pays first: what ends soonest. Within a number the earliest expiry goes first,
then the oldest lot."""

LARGEST_GRANT = 1_000_000_000_000
"""Credits in one grant; far below what a wallet's columns hold, far above any need."""

_OPEN_LOT = """
INSERT INTO billing_lot
    (wallet_id, environment, kind, priority, granted, available, reserved, consumed,
     expired, revoked, effective_at, expires_at, source, created_at)
VALUES (%(wallet)s, %(environment)s, %(kind)s, %(priority)s, %(credits)s, %(credits)s,
        0, 0, 0, 0, statement_timestamp(), %(expires_at)s, %(source)s,
        statement_timestamp())
ON CONFLICT (environment, source) DO NOTHING
RETURNING id
"""
# One row at least: it tells the time and whether the key is taken.
DRAWABLE = """
SELECT now, reservation.id, lot.id, lot.kind, lot.available
FROM statement_timestamp() AS now
LEFT JOIN billing_reservation AS reservation ON reservation.key = %(key)s
LEFT JOIN billing_lot AS lot
    ON lot.wallet_id = %(wallet)s AND lot.available > 0 AND lot.effective_at <= now
    AND (lot.expires_at IS NULL OR lot.expires_at > now)
ORDER BY lot.priority, lot.expires_at NULLS LAST, lot.id
"""
HELD = """
SELECT reservation.id, reservation.amount, captured, released, posted.id,
       posted.fingerprint, slice.lot_id, lot.kind, slice.amount,
       coalesce(lot.expires_at <= statement_timestamp(), false)
FROM billing_reservation AS reservation
JOIN billing_reservationslice AS slice ON slice.reservation_id = reservation.id
JOIN billing_lot AS lot ON lot.id = slice.lot_id
LEFT JOIN billing_ledgertransaction AS posted
    ON posted.wallet_id = reservation.wallet_id AND posted.key = %(key)s
WHERE reservation.key = %(reservation)s
ORDER BY slice.ordinal
"""


@dataclass(frozen=True, slots=True)
class _Slice:
    """What one lot pays of a reservation."""

    lot: int
    kind: str
    amount: int
    has_lapsed: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """A reservation as it is now, and what a key was already used for in its wallet."""

    id: UUID
    amount: int
    captured: int
    released: int
    first: UUID | None
    first_fingerprint: str | None
    slices: list[_Slice]

    @property
    def left(self) -> int:
        return self.amount - self.captured - self.released

    def take(self, credits: int) -> Iterator[tuple[_Slice, int]]:
        """Give the next `credits`, slice by slice, past what has been taken before."""
        skip = self.captured + self.released
        for part in self.slices:
            used = min(part.amount, skip)
            taken = min(part.amount - used, credits)
            skip -= used
            credits -= taken
            if taken:
                yield part, taken


def grant(
    wallet: Wallet,
    credits: int,
    *,
    key: str,
    kind: str,
    source: str,
    reason: str,
    actor: str = "",
    expires_at: datetime | None = None,
) -> LedgerTransaction:
    """Put a new lot of `credits` into the wallet and return the transaction.

    `source` names what paid for it and is honoured once per environment, whatever the
    key: a second event about the same purchase gets the first grant's transaction. A
    repeat may give another expiry; the first one stays.

    Raises:
        LedgerKeyReused: the key or the source was used for another grant.
    """
    _require_positive(credits)
    if credits > LARGEST_GRANT:
        raise ValueError(f"a grant has at most {LARGEST_GRANT} credits")
    kind = Lot.Kind(kind)
    locked = lock(wallet.pk)
    content = fingerprint(Kind.GRANT, kind, credits, source)
    first = LedgerTransaction.objects.filter(wallet=locked.id, key=key).first()
    if first is None:
        lot = _open_lot(locked, kind, credits, source, expires_at)
        if lot is not None:
            granted = post(
                locked,
                Kind.GRANT,
                [Movement(lot, Bucket.FUNDING, Bucket.AVAILABLE, credits)],
                key=key,
                fingerprint=content,
                reason=reason,
                actor=actor,
                is_activity=kind == Lot.Kind.PACK,
            )
            notices.tell_granted(wallet, credits, bucket=kind, reason=reason)
            return LedgerTransaction.objects.get(pk=granted)
        first = LedgerTransaction.objects.filter(
            wallet=locked.id,
            entries__bucket=Bucket.FUNDING,
            entries__lot__source=source,
            entries__lot__environment=locked.environment,
        ).first()
    if first is None or first.fingerprint != content:
        raise LedgerKeyReused(key=key)
    return first


def reserve(
    wallet: Wallet, credits: int, *, key: str, job: str, deadline: datetime
) -> Reservation:
    """Hold `credits` of the wallet for a job and return the reservation.

    Draws allowance first, then promotional lots, then packs and adjustments; of equals
    the one that ends first. The reservation is stale if it is still open at `deadline`.

    Raises:
        InsufficientCredits: less than that can be spent; nothing is written.
        LedgerKeyReused: the key holds another amount, or for another job or wallet.
    """
    _require_positive(credits)
    locked = lock(wallet.pk)
    locked.cursor.execute(DRAWABLE, {"wallet": locked.id, "key": key})
    rows = locked.cursor.fetchall()
    now, first = rows[0][:2]
    if first is not None:
        return _reserved_before(locked, first, credits, job)
    lots = [row[2:] for row in rows if row[2] is not None]
    drawable = sum(available for _, _, available in lots) - locked.debt
    if drawable < credits:
        raise InsufficientCredits(needed=credits, available=max(0, drawable))
    movements, kinds = [], []
    left = credits
    for lot, kind, available in lots:
        if left == 0:
            break
        drawn = min(available, left)
        left -= drawn
        movements.append(Movement(lot, Bucket.AVAILABLE, Bucket.RESERVED, drawn))
        kinds.append((kind, drawn))
    reservation = Reservation(
        id=new_id(),
        wallet_id=locked.id,
        key=key,
        job=job,
        amount=credits,
        deadline=deadline,
        created_at=now,
    )
    post(
        locked,
        Kind.RESERVE,
        movements,
        key=f"reserve:{key}",
        fingerprint=fingerprint(Kind.RESERVE, job, credits),
        opens=reservation,
    )
    reservation._state.adding = False
    reservation.split = Split.of(kinds)
    return reservation


def capture(reservation_key: str, credits: int, *, key: str) -> Split:
    """Use up `credits` of a reservation for good and return what paid for them.

    The slices are used in the order in which they were drawn; a lot that lapsed while it
    was reserved still pays. Nothing is written for 0 credits.

    Raises:
        ReservationExhausted: less than that is left; nothing is written.
        LedgerKeyReused: the key was used for another posting.
        Reservation.DoesNotExist: there is no such reservation.
    """
    if credits == 0:
        require_transaction()
        return Split()
    _require_positive(credits)
    locked = lock_by_reservation(reservation_key)
    held = _read_held(locked, reservation_key, key)
    content = fingerprint(Kind.CAPTURE, reservation_key, credits)
    if held.first is not None:
        if held.first_fingerprint != content:
            raise LedgerKeyReused(key=key)
        used = LedgerEntry.objects.filter(transaction=held.first, bucket=Bucket.USAGE)
        return Split.of(used.values_list("lot__kind", "amount"))
    if credits > held.left:
        raise ReservationExhausted(left=held.left, needed=credits)
    taken = list(held.take(credits))
    post(
        locked,
        Kind.CAPTURE,
        [
            Movement(part.lot, Bucket.RESERVED, Bucket.USAGE, amount)
            for part, amount in taken
        ],
        key=key,
        fingerprint=content,
        settles=held.id,
        captured=credits,
        is_activity=True,
    )
    return Split.of((part.kind, amount) for part, amount in taken)


def release(reservation_key: str, *, key: str | None = None) -> int:
    """Give back all that a reservation still holds, which ends it; return how much.

    What was drawn from a lot that has lapsed since counts as released too, but goes to
    breakage instead of back into the lot. Repeated, it returns the same number. Nothing
    is written when nothing is left.

    Raises:
        LedgerKeyReused: the key was used for another posting.
        Reservation.DoesNotExist: there is no such reservation.
    """
    key = key or f"release:{reservation_key}"
    locked = lock_by_reservation(reservation_key)
    held = _read_held(locked, reservation_key, key)
    content = fingerprint(Kind.RELEASE, reservation_key)
    if held.first is not None and held.first_fingerprint != content:
        raise LedgerKeyReused(key=key)
    if held.left == 0:
        return held.released
    post(
        locked,
        Kind.RELEASE,
        [
            Movement(
                part.lot,
                Bucket.RESERVED,
                Bucket.BREAKAGE if part.has_lapsed else Bucket.AVAILABLE,
                amount,
            )
            for part, amount in held.take(held.left)
        ],
        key=key,
        fingerprint=content,
        settles=held.id,
        released=held.left,
    )
    return held.left


def _require_positive(credits: int) -> None:
    if credits <= 0:
        raise ValueError("a posting moves at least one credit")


def _open_lot(
    wallet: Locked, kind: Lot.Kind, credits: int, source: str, expires: datetime | None
) -> int | None:
    """Write a lot and return its id; None if its source has been honoured before.

    Waits for a transaction that is honouring it just now, in whatever wallet.
    """
    wallet.cursor.execute(
        _OPEN_LOT,
        {
            "wallet": wallet.id,
            "environment": wallet.environment,
            "kind": kind.value,
            "priority": DRAW_ORDER[kind],
            "credits": credits,
            "source": source,
            "expires_at": expires,
        },
    )
    row = wallet.cursor.fetchone()
    return row[0] if row else None


def _reserved_before(
    wallet: Locked, first: UUID, credits: int, job: str
) -> Reservation:
    reservation = Reservation.objects.get(pk=first)
    known = (reservation.wallet_id, reservation.amount, reservation.job)
    if known != (wallet.id, credits, job):
        raise LedgerKeyReused(key=reservation.key)
    return reservation


def _read_held(wallet: Locked, reservation_key: str, key: str) -> _Held:
    wallet.cursor.execute(HELD, {"reservation": reservation_key, "key": key})
    rows = wallet.cursor.fetchall()
    reservation, amount, captured, released, first, content = rows[0][:6]
    slices = [_Slice(*row[6:]) for row in rows]
    return _Held(reservation, amount, captured, released, first, content, slices)
