"""End lots of credits that have expired, or that were unused for a year."""

from datetime import datetime, timedelta

from django.db.models.functions import Now

from billing.ledger import notices
from billing.ledger.lots import find_posted, repay_debt_first
from billing.ledger.posting import (
    Bucket,
    Kind,
    LockedWallet,
    fingerprint,
    lock_by_lot,
    post,
)
from billing.models import LapseNotice, Lot, Wallet
from kit.db.transactions import needs_transaction

IDLE = timedelta(days=365)
"""Promotional credits lapse this long after the last use or purchase."""
NOTICE = timedelta(days=7)
"""The customer is warned at least this long before, even if a scheduled run was late."""


@needs_transaction
def expire(lot: int) -> int:
    """Expire a lot whose time is over; return how many available credits lapsed.

    A debt is repaid first, because it kept these credits from being spent. Reserved
    credits stay with their work, and lapse when they are released. Nothing is written for a
    lot that has not expired or holds no credits. Repeated, it returns 0.

    Raises:
        LedgerKeyReused: the key `expire:<lot>` was used for another posting.
        Lot.DoesNotExist: there is no such lot.
    """
    wallet = lock_by_lot(lot)
    found = Lot.objects.get(pk=lot)
    if not _is_over(found, _now(wallet)):
        return 0
    return _end(wallet, found, key=f"expire:{lot}", reason="Their time was over")


@needs_transaction
def lapse(lot: int) -> int:
    """End a promotional lot after a year without activity; return how many credits lapsed.

    Activity is a spoken scene or a payment; the year starts with the lot if that is later.
    The lot also expires: reserved credits that are released later lapse too. Nothing is
    written for a lot that is exempt, if there was activity since, or if the customer was
    not warned `NOTICE` before.

    Raises:
        LedgerKeyReused: the key `inactivity:<lot>:<day>` was used for another posting.
        Lot.DoesNotExist: there is no such lot.
    """
    wallet = lock_by_lot(lot)
    found = Lot.objects.get(pk=lot)
    used = Wallet.objects.values_list("last_activity_at", flat=True).get(pk=wallet.id)
    cutoff = max(used, found.effective_at) + IDLE
    now = _now(wallet)
    if not found.lapses or cutoff > now or _is_over(found, now):
        return 0
    warnings = LapseNotice.objects.of_idleness(wallet.id, cutoff)
    if not warnings.filter(created_at__lte=now - NOTICE).exists():
        return 0
    key = f"inactivity:{lot}:{cutoff:%Y-%m-%d}"
    reason = f"Not used for {IDLE.days} days"
    lapsed = _end(wallet, found, key=key, reason=reason)
    if lapsed:
        Lot.objects.filter(pk=lot).update(expires_at=Now())
    return lapsed


def _end(wallet: LockedWallet, lot: Lot, *, key: str, reason: str) -> int:
    content = fingerprint(Kind.EXPIRE, lot.pk)
    if find_posted(wallet, key, content) or not lot.available:
        return 0
    post(
        wallet,
        Kind.EXPIRE,
        repay_debt_first(
            lot.pk, Bucket.AVAILABLE, Bucket.BREAKAGE, lot.available, wallet.debt
        ),
        key=key,
        fingerprint=content,
        reason=reason,
    )
    notices.update_is_low(wallet.id)
    return lot.available


def _is_over(lot: Lot, now: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= now


def _now(wallet: LockedWallet) -> datetime:
    wallet.cursor.execute("SELECT statement_timestamp()")
    row: tuple[datetime] = wallet.cursor.fetchone()
    return row[0]
