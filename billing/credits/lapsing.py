"""Scheduled work on credits: warn customers, then expire credits.

Each wallet has a transaction of its own. A run may be killed and repeated: what is done is
no longer found, and the ledger's functions are idempotent.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from billing import ledger
from billing.ledger import notices
from billing.models import LapseNotice, Lot, Wallet
from kit.errors import AppError

ENDING_WITHIN = timedelta(days=7)
WARNED_AFTER = {
    LapseNotice.Stage.IDLE_335: timedelta(days=335),
    LapseNotice.Stage.IDLE_358: timedelta(days=358),
}
"""Time without activity after which owners are warned, before `ledger.IDLE`."""

_BATCH = 500  # wallets that are read at once
_KEPT_FOR = timedelta(days=30)  # notices, after what they warned of

logger = logging.getLogger(__name__)


def expire_ended(*, batch: int = _BATCH) -> int:
    """Expire every lot whose time is over; return how many credits lapsed."""
    ended = Lot.objects.ended()
    return _for_each_wallet(
        ended, lambda wallet: _for_each_lot(ended, wallet, ledger.expire), batch
    )


def lapse_idle(*, batch: int = _BATCH) -> int:
    """End promotional lots unused for a year; return how many credits lapsed."""
    idle = Lot.objects.idle(ledger.IDLE, lapse_after=ledger.IDLE)
    return _for_each_wallet(
        idle, lambda wallet: _for_each_lot(idle, wallet, ledger.lapse), batch
    )


def warn(*, batch: int = _BATCH) -> int:
    """Warn customers of credits that will lapse; return how many warnings were sent.

    Each stage is sent once for each time at which credits would lapse. A late warning is
    skipped if the next stage is due. The last one is always sent, and postpones the lapse
    if it is late.
    """
    past = Now() - _KEPT_FOR
    LapseNotice.objects.filter(lapses_at__lt=past, created_at__lt=past).delete()
    count = 0
    for stage in LapseNotice.Stage:
        due = _due(stage)
        count += _for_each_wallet(due, partial(_warn, stage), batch)
    return count


def _due(stage: LapseNotice.Stage) -> QuerySet[Any]:
    """Return the lots for which a warning of this stage is due."""
    if stage == LapseNotice.Stage.ENDS:
        lots = Lot.objects.ending(ENDING_WITHIN)
    else:
        lots = Lot.objects.idle(WARNED_AFTER[stage], lapse_after=ledger.IDLE)
        if stage == LapseNotice.Stage.IDLE_335:
            later = WARNED_AFTER[LapseNotice.Stage.IDLE_358]
            lots = lots.filter(lapses_at__gt=Now() + (ledger.IDLE - later))
    sent = LapseNotice.objects.filter(
        wallet=OuterRef("wallet"), lapses_at=OuterRef("lapses_at")
    )
    lots = lots.filter(~Exists(sent.filter(stage=stage)))
    if stage == LapseNotice.Stage.IDLE_358:
        # After the lapse is due, only for wallets that had no warning at all.
        early = sent.filter(stage=LapseNotice.Stage.IDLE_335)
        lots = lots.filter(Q(lapses_at__gt=Now()) | ~Exists(early))
    return lots


def _warn(stage: LapseNotice.Stage, wallet: int) -> int:
    """Send the warnings of a stage that are due for a wallet; return how many."""
    locked = Wallet.objects.select_for_update(no_key=True).get(pk=wallet)
    due: dict[datetime, int] = defaultdict(int)
    for lot in _due(stage).filter(wallet=wallet):
        due[lot.lapses_at] += lot.available
    for lapses_at, credits in sorted(due.items()):
        ends = lapses_at
        sent = LapseNotice.objects.of_idleness(wallet, lapses_at)
        if stage != LapseNotice.Stage.ENDS and not sent.exists():
            ends = max(ends, timezone.now() + ledger.NOTICE)
        LapseNotice.objects.create(
            wallet=locked, stage=stage, lapses_at=lapses_at, credits=credits
        )
        notices.notify_expiring(
            locked,
            credits,
            ends,
            by_mail=stage != LapseNotice.Stage.ENDS,
        )
    return len(due)


def _for_each_lot(
    lots: QuerySet[Any], wallet: int, end_lot: Callable[[int], int]
) -> int:
    """Call `end_lot` for each of a wallet's `lots`; return how many credits lapsed."""
    # Locked before the query: a second run doesn't find what the first has done.
    Wallet.objects.select_for_update(no_key=True).get(pk=wallet)
    found = lots.filter(wallet=wallet).order_by("pk").values_list("pk", flat=True)
    return sum(end_lot(lot) for lot in found)


def _for_each_wallet(lots: QuerySet[Any], run: Callable[[int], int], batch: int) -> int:
    """Call `run` for each wallet of `lots`, in a transaction each; return the sum.

    A wallet that fails is logged and left for the next run.
    """
    total = 0
    for wallet in _wallets(lots, batch):
        try:
            with transaction.atomic(durable=True):
                total += run(wallet)
        except (AppError, DatabaseError):
            logger.exception("wallet %s failed; it is left for the next run", wallet)
    return total


def _wallets(lots: QuerySet[Any], batch: int) -> Iterator[int]:
    """Yield the wallets of `lots`, each once, read batch by batch."""
    after = 0
    while True:
        found = lots.filter(wallet__gt=after).order_by("wallet")
        wallets = list(found.values_list("wallet", flat=True).distinct()[:batch])
        yield from wallets
        if len(wallets) < batch:
            return
        after = wallets[-1]
