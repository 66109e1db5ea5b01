"""Grant credits: purchases, monthly allowances and gifts."""

from datetime import datetime

from billing.errors import LedgerKeyReused
from billing.ledger import notices
from billing.ledger.lots import LARGEST_GRANT, NewLot, find_posted, open_lot
from billing.ledger.posting import (
    Bucket,
    Kind,
    fingerprint,
    lock,
    post,
    require_positive,
)
from billing.models import LedgerTransaction, Lot, Wallet
from kit.db.transactions import needs_transaction


@needs_transaction
def grant(
    wallet: Wallet,
    credits: int,
    *,
    key: str,
    kind: str,
    source: str,
    reason: str,
    actor: str = "",
    ticket: str = "",
    effective_at: datetime | None = None,
    expires_at: datetime | None = None,
    lapses: bool | None = None,
    is_activity: bool = False,
) -> LedgerTransaction:
    """Grant `credits` to the wallet as a new lot, and return the transaction.

    `source` identifies what paid for it and is used once per environment, whatever the
    key: a second event about the same purchase gets the transaction of the first grant. A
    repeated call may have another term; the first one stays.

    An allowance begins at `effective_at` (now by default, or months ahead) and expires at
    `expires_at`. Packs and adjustments never expire, and repay a debt first. Promotional
    credits lapse after a year without activity, unless `lapses` is off. `is_activity`
    means that a customer paid, which starts that year again.

    Raises:
        LedgerKeyReused: the key or the source was used for another grant.
    """
    require_positive(credits)
    if credits > LARGEST_GRANT:
        raise ValueError(f"a grant has at most {LARGEST_GRANT} credits")
    kind = Lot.Kind(kind)
    locked = lock(wallet.pk)
    content = fingerprint(Kind.GRANT, kind, credits, source)
    if first := find_posted(locked, key, content):
        return first
    filled = open_lot(
        locked,
        NewLot(
            kind,
            credits,
            source,
            effective_at=effective_at,
            expires_at=expires_at,
            lapses=kind == Lot.Kind.PROMO if lapses is None else lapses,
        ),
    )
    if filled is None:
        first = LedgerTransaction.objects.filter(
            wallet=locked.id,
            entries__bucket=Bucket.FUNDING,
            entries__lot__source=source,
            entries__lot__environment=locked.environment,
        ).first()
        if first is None or first.fingerprint != content:
            raise LedgerKeyReused(key=key)
        return first
    granted = post(
        locked,
        Kind.GRANT,
        filled,
        key=key,
        fingerprint=content,
        reason=reason,
        actor=actor,
        ticket=ticket,
        is_activity=is_activity,
    )
    notices.notify_granted(locked.id, credits, bucket=kind, reason=reason)
    return LedgerTransaction.objects.get(pk=granted)
