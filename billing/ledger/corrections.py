"""Refund credits, reverse a refund, and adjust a wallet for an operator."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from math import floor
from uuid import UUID

from django.db.models import Q, Sum
from django.db.models.functions import Now

from billing.errors import (
    InsufficientCredits,
    LedgerKeyReused,
    NotGranted,
    NotRefundable,
    NotRefunded,
)
from billing.ledger import notices
from billing.ledger.grants import grant
from billing.ledger.lots import (
    LARGEST_GRANT,
    NewLot,
    drawable,
    find_posted,
    open_lot,
)
from billing.ledger.posting import (
    Bucket,
    Kind,
    LockedWallet,
    Transfer,
    fingerprint,
    lock,
    lock_by_source,
    post,
)
from billing.models import LedgerEntry, LedgerTransaction, Lot, Wallet
from kit.db.transactions import needs_transaction

_Write = Callable[[LockedWallet, Kind, list[Transfer]], UUID]
_REFUNDABLE = (Lot.Kind.PACK, Lot.Kind.ALLOWANCE)


@needs_transaction
def refund(
    source: str,
    part: int | Fraction,
    *,
    environment: str,
    key: str,
    reason: str,
    actor: str = "",
    ticket: str = "",
) -> int:
    """Take back the credits of a purchase after a refund or a dispute; return how many.

    `source` identifies the purchase. `part` is a number of credits, or the share of the
    price that was refunded, as `Fraction(refunded, paid)`, rounded half up to a whole
    number. All refunds together take no more than was granted, less what has lapsed or an
    operator took; beyond that nothing is written and 0 is returned. The lot's available
    credits are taken first and the rest becomes a debt; reservations keep their credits.
    Credits that came back when an earlier refund was reversed belong to the same purchase.
    Repeated with the same key, it returns the same number.

    Raises:
        NotGranted: nothing was granted for `source` yet; retry once its grant is posted.
        NotRefundable: it was not bought; an operator can adjust the wallet instead.
        LedgerKeyReused: the key was used for another posting.
    """
    if part <= 0 or (isinstance(part, Fraction) and part > 1):
        raise ValueError("a refund takes at least one credit, or a share up to 1")
    locked = lock_by_source(source, environment)
    if locked is None:
        raise NotGranted(source=source)
    content = fingerprint(Kind.REFUND, source, repr(part))
    if first := find_posted(locked, key, content):
        return _refunded_credits(first)
    lots = list(
        Lot.objects.filter(
            Q(source=source) | Q(restores__source=source),
            wallet=locked.id,
            environment=locked.environment,
        ).order_by("id")
    )
    bought = lots[0]
    if bought.kind not in _REFUNDABLE:
        raise NotRefundable(source=source)
    left = part
    if isinstance(part, Fraction):
        left = floor(bought.granted * part + Fraction(1, 2))
    transfers = []
    for lot in lots:
        taken = min(int(left), lot.refundable)
        left -= taken
        unused = min(taken, lot.available)
        transfers.append(Transfer(lot.pk, Bucket.AVAILABLE, Bucket.REFUND, unused))
        transfers.append(Transfer(lot.pk, Bucket.DEBT, Bucket.REFUND, taken - unused))
    transfers = [transfer for transfer in transfers if transfer.credits]
    if not transfers:
        return 0
    write = partial(
        post, key=key, fingerprint=content, reason=reason, actor=actor, ticket=ticket
    )
    _post_taken(locked, Kind.REFUND, transfers, write)
    return sum(transfer.credits for transfer in transfers)


@needs_transaction
def move(source: str, to: Wallet, *, key: str, reason: str) -> int:
    """Move what is left of a purchase to another wallet; return how many credits.

    For a purchase that its store has transferred to another customer. Of each of its lots
    the available credits are moved: what was spent stays spent, and what is reserved stays.
    Each arrives as a lot of the same kind and term, whose source is `moved_source`, so that
    a later refund finds it.
    """
    locked = lock_by_source(source, to.environment)
    if locked is None or locked.id == to.pk:
        return 0
    moved = 0
    for lot in Lot.objects.filter(
        Q(source=source) | Q(restores__source=source),
        Q(expires_at=None) | Q(expires_at__gt=Now()),
        kind__in=_REFUNDABLE,
        wallet=locked.id,
        available__gt=0,
    ).order_by("id"):
        arrives = moved_source(source, len(moved_lots(source, to.environment)) + 1)
        content = fingerprint(Kind.REFUND, arrives, lot.available)
        write = partial(
            post, key=f"{key}:{arrives}", fingerprint=content, reason=reason
        )
        credits = lot.available
        transfer = Transfer(lot.pk, Bucket.AVAILABLE, Bucket.REFUND, credits)
        # Locked again: each posting changes the number and the hash of the last one.
        _post_taken(lock(locked.id), Kind.REFUND, [transfer], write)
        grant(
            to,
            credits,
            key=f"{key}:{arrives}",
            kind=lot.kind,
            source=arrives,
            reason=reason,
            effective_at=lot.effective_at,
            expires_at=lot.expires_at,
        )
        moved += credits
    return moved


def moved_source(source: str, number: int) -> str:
    """Return the source of the lot that arrives with the given move of a purchase."""
    return f"{source.partition('~')[0]}~{number}"


def moved_lots(source: str, environment: str) -> list[str]:
    """Return the sources of the lots that a purchase was moved to, oldest first."""
    found: list[str] = []
    while Lot.objects.filter(
        environment=environment, source=(name := moved_source(source, len(found) + 1))
    ).exists():
        found.append(name)
    return found


@needs_transaction
def reverse(
    source: str,
    refund_key: str,
    *,
    environment: str,
    reason: str,
    actor: str = "",
    ticket: str = "",
) -> LedgerTransaction:
    """Reverse the refund with this key, because it failed or a dispute was won.

    The refund's posting is not changed. Its credits come back as a new lot of the same kind
    and term, which first repays the debt. Idempotent, by the key `reverse:<refund_key>`.

    Raises:
        NotRefunded: there is no such refund of `source` (yet).
        LedgerKeyReused: the key was used for another posting.
    """
    locked = lock_by_source(source, environment)
    if locked is None:
        raise NotRefunded(source=source)
    of_purchase = Q(entries__lot__source=source) | Q(
        entries__lot__restores__source=source
    )
    refunded = LedgerTransaction.objects.filter(
        of_purchase, wallet=locked.id, key=refund_key, kind=Kind.REFUND
    ).first()
    if refunded is None:
        raise NotRefunded(source=source)
    key = f"reverse:{refund_key}"
    content = fingerprint(Kind.REVERSE, source, refund_key)
    if first := find_posted(locked, key, content):
        return first
    bought = Lot.objects.get(source=source, environment=locked.environment)
    credits = _refunded_credits(refunded)
    filled = open_lot(
        locked,
        NewLot(
            Lot.Kind(bought.kind),
            credits,
            f"reversal:{refunded.pk}",
            effective_at=bought.effective_at,
            expires_at=bought.expires_at,
            restores=bought.pk,
        ),
    )
    if filled is None:
        raise LedgerKeyReused(key=key)
    write = partial(
        post, key=key, fingerprint=content, reason=reason, actor=actor, ticket=ticket
    )
    return _post_added(locked, Kind.REVERSE, filled, write, bucket=bought.kind)


@needs_transaction
def adjust(
    wallet: Wallet,
    credits: int,
    *,
    key: str,
    reason: str,
    actor: str,
    ticket: str,
    allow_debt: bool = False,
) -> LedgerTransaction:
    """Adjust a wallet for an operator: add `credits`, or take them away (< 0).

    Added credits never lapse, and repay a debt first. Credits are taken from the lots in
    the order in which they are drawn; with `allow_debt`, what is missing becomes a debt.

    Raises:
        InsufficientCredits: the wallet has fewer credits, and no debt is allowed.
        LedgerKeyReused: the key was used for another posting.
    """
    if not 0 < abs(credits) <= LARGEST_GRANT:
        raise ValueError(f"an adjustment has 1 to {LARGEST_GRANT} credits, up or down")
    if not (actor.strip() and reason.strip() and ticket.strip()):
        raise ValueError("an adjustment needs an actor, a reason and a ticket")
    locked = lock(wallet.pk)
    content = fingerprint(Kind.ADJUST, credits, allow_debt)
    if first := find_posted(locked, key, content):
        return first
    write = partial(
        post, key=key, fingerprint=content, reason=reason, actor=actor, ticket=ticket
    )
    if credits > 0:
        filled = open_lot(locked, NewLot(Lot.Kind.ADJUST, credits, key))
        if filled is None:
            raise LedgerKeyReused(key=key)
        return _post_added(locked, Kind.ADJUST, filled, write, bucket=Lot.Kind.ADJUST)
    found = drawable(locked)
    spendable = found.credits - locked.debt
    if spendable < -credits and not allow_debt:
        raise InsufficientCredits(needed=-credits, available=max(0, spendable))
    transfers = [
        Transfer(lot, Bucket.AVAILABLE, Bucket.ADJUST, drawn)
        for lot, _, drawn in found.draw(-credits)
    ]
    if missing := -credits - sum(transfer.credits for transfer in transfers):
        transfers.append(Transfer(None, Bucket.DEBT, Bucket.ADJUST, missing))
    return _post_taken(locked, Kind.ADJUST, transfers, write)


def _post_added(
    wallet: LockedWallet,
    kind: Kind,
    filled: list[Transfer],
    write: _Write,
    *,
    bucket: str,
) -> LedgerTransaction:
    """Post a new lot, and notify the customer."""
    posted = LedgerTransaction.objects.get(pk=write(wallet, kind, filled))
    notices.notify_granted(
        wallet.id, filled[0].credits, bucket=bucket, reason=posted.reason
    )
    return posted


def _post_taken(
    wallet: LockedWallet, kind: Kind, transfers: list[Transfer], write: _Write
) -> LedgerTransaction:
    """Post what is taken back, and notify the customer if credits are low."""
    posted = LedgerTransaction.objects.get(pk=write(wallet, kind, transfers))
    notices.update_is_low(wallet.id)
    return posted


def _refunded_credits(refunded: LedgerTransaction) -> int:
    entries = LedgerEntry.objects.filter(transaction=refunded, bucket=Bucket.REFUND)
    return entries.aggregate(credits=Sum("amount"))["credits"] or 0
