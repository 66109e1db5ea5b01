"""Reserve credits for work, capture what was done, and release the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.errors import InsufficientCredits, LedgerKeyReused, ReservationExhausted
from billing.ledger import notices
from billing.ledger.lots import REPAYING, drawable, repay_debt_first
from billing.ledger.posting import (
    Bucket,
    Kind,
    LockedWallet,
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
    """The part of a reservation that one lot pays."""

    lot: int
    kind: str
    amount: int
    has_lapsed: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """A reservation as it is now, and the earlier transaction of a key, if any."""

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
        """Yield the slices that pay the next `credits`, after what was taken before."""
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
    wallet: Wallet,
    credits: int,
    *,
    key: str,
    job: str,
    deadline: datetime,
    user_id: UUID | None = None,
) -> Reservation:
    """Reserve `credits` of the wallet for a job and return the reservation.

    `user_id` is the user who asked; members see only what they used themselves.

    Draws allowances first, then promotional lots, then packs and adjustments; among equals
    the one that expires first. The reservation is stale if it is still open at `deadline`.

    Raises:
        InsufficientCredits: the wallet has fewer credits; nothing is written.
        LedgerKeyReused: the key was used for another amount, job or wallet.
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
        user_id=user_id,
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
        notices.update_is_low(locked.id)
    return reservation


@needs_transaction
def capture(reservation_key: str, credits: int, *, key: str) -> Split:
    """Charge `credits` of a reservation, and return which credits paid.

    The slices pay in the order in which they were drawn. A lot that expired while its
    credits were reserved still pays. Nothing is written for 0 credits.

    Raises:
        ReservationExhausted: fewer credits are left; nothing is written.
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
    """Release all credits that a reservation still holds, and end it; return how many.

    Credits of a lot that has expired since count as released too, but go to breakage
    instead of back into the lot. Credits that would lapse, or go back to a purchased lot,
    repay a debt first. Repeated, it returns the same number. Nothing is written if nothing
    is left.

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
        back = repay_debt_first(
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
    # An upper bound of what can be spent now: most wallets that are low stay low.
    if locked.is_low and locked.available + held.left - locked.debt >= locked.low_at:
        notices.update_is_low(locked.id)
    return held.left


@needs_transaction
def extend(reservation_key: str, deadline: datetime) -> None:
    """Give a reservation that is still needed a later `deadline`.

    No credits move, so there is no posting. An earlier deadline changes nothing.

    Raises:
        Reservation.DoesNotExist: there is no such reservation.
    """
    lock_by_reservation(reservation_key)
    Reservation.objects.filter(key=reservation_key, deadline__lt=deadline).update(
        deadline=deadline
    )


def _reserved_before(
    wallet: LockedWallet, first: UUID, credits: int, job: str
) -> Reservation:
    reservation = Reservation.objects.get(pk=first)
    known = (reservation.wallet_id, reservation.amount, reservation.job)
    if known != (wallet.id, credits, job):
        raise LedgerKeyReused(key=reservation.key)
    return reservation


def _read_held(wallet: LockedWallet, reservation_key: str, key: str) -> _Held:
    wallet.cursor.execute(HELD, {"reservation": reservation_key, "key": key})
    rows = wallet.cursor.fetchall()
    reservation, amount, captured, released, first, content = rows[0][:6]
    slices = [_Slice(*row[6:]) for row in rows]
    return _Held(reservation, amount, captured, released, first, content, slices)
