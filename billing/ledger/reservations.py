"""Reserving credits for work, capturing what was done, releasing the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.errors import InsufficientCredits, LedgerKeyReused, ReservationExhausted
from billing.ledger import notices
from billing.ledger.lots import REPAYING, drawable, paying_debt
from billing.ledger.posting import (
    Bucket,
    Kind,
    Locked,
    Transfer,
    fingerprint,
    lock,
    lock_by_reservation,
    post,
    require_positive,
)
from billing.models import LedgerEntry, Reservation, Split, Wallet
from kit.db.transactions import needs_transaction
from kit.ids import new_id

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


@needs_transaction
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
    require_positive(credits)
    locked = lock(wallet.pk)
    found = drawable(locked, key)
    if found.reservation is not None:
        return _reserved_before(locked, found.reservation, credits, job)
    spendable = found.credits - locked.debt
    if spendable < credits:
        raise InsufficientCredits(needed=credits, available=max(0, spendable))
    drawn = list(found.draw(credits))
    reservation = Reservation(
        id=new_id(),
        wallet_id=locked.id,
        key=key,
        job=job,
        amount=credits,
        deadline=deadline,
        created_at=found.now,
    )
    post(
        locked,
        Kind.RESERVE,
        [Transfer(lot, Bucket.AVAILABLE, Bucket.RESERVED, n) for lot, _, n in drawn],
        key=f"reserve:{key}",
        fingerprint=fingerprint(Kind.RESERVE, job, credits),
        opens=reservation,
    )
    reservation._state.adding = False
    reservation.split = Split.of((kind, credits) for _, kind, credits in drawn)
    if notices.is_below(spendable - credits, locked.low_at) != locked.is_low:
        notices.watch(locked.id)
    return reservation


@needs_transaction
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
        return Split()
    require_positive(credits)
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
            Transfer(part.lot, Bucket.RESERVED, Bucket.USAGE, amount)
            for part, amount in taken
        ],
        key=key,
        fingerprint=content,
        settles=held.id,
        captured=credits,
        is_activity=True,
    )
    return Split.of((part.kind, amount) for part, amount in taken)


@needs_transaction
def release(reservation_key: str, *, key: str | None = None) -> int:
    """Give back all that a reservation still holds, which ends it; return how much.

    What was drawn from a lot that has lapsed since counts as released too, but goes to
    breakage instead of back into the lot. A debt is repaid first, by what would lapse or
    comes back to what was bought. Repeated, it returns the same number. Nothing is
    written when nothing is left.

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
    transfers: list[Transfer] = []
    debt = locked.debt
    for part, amount in held.take(held.left):
        target = Bucket.BREAKAGE if part.has_lapsed else Bucket.AVAILABLE
        repays = part.has_lapsed or part.kind in REPAYING
        back = paying_debt(
            part.lot, Bucket.RESERVED, target, amount, debt if repays else 0
        )
        debt -= sum(step.credits for step in back if step.target == Bucket.DEBT)
        transfers += back
    post(
        locked,
        Kind.RELEASE,
        transfers,
        key=key,
        fingerprint=content,
        settles=held.id,
        released=held.left,
    )
    # At most so much can be spent now; most wallets that are low stay so.
    if locked.is_low and locked.available + held.left - locked.debt >= locked.low_at:
        notices.watch(locked.id)
    return held.left


@needs_transaction
def extend(reservation_key: str, deadline: datetime) -> None:
    """Let a reservation that is still needed be stale only after a later `deadline`.

    No credits move, so it is no posting. An earlier deadline changes nothing.

    Raises:
        Reservation.DoesNotExist: there is no such reservation.
    """
    lock_by_reservation(reservation_key)
    Reservation.objects.filter(key=reservation_key, deadline__lt=deadline).update(
        deadline=deadline
    )


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
