"""Claims: one process at a time works on a row, and nothing is lost by `kill -9`.

A worker *claims* a row: it takes a lease and a new fence number. It works with no
transaction open, while a thread renews the lease. It *settles* the row in one short
transaction, which first checks that its fence is still the newest. A worker that was killed
or lost its lease settles nothing; the dispatcher requeues its rows and rings for them.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from kit.db import connections
from kit.db.transactions import needs_transaction
from kit.models import Claimable

LEASE = timedelta(seconds=15)
"""How long a holder keeps its row without renewing the lease."""

logger = logging.getLogger(__name__)
M = TypeVar("M", bound=Claimable)


class LeaseLost(Exception):
    """Another process holds the row, or it was canceled: stop, and change nothing."""


@needs_transaction
def claim(due: QuerySet[M]) -> M | None:
    """Claim the first free row of `due` and return it; None if there is none.

    `due` is ordered and filtered by the caller. Rows that another process has locked are
    skipped, without waiting. Others see the claim once the transaction ends.
    """
    row = due.select_for_update(skip_locked=True, of=("self",)).first()
    if row is None:
        return None
    row.fence += 1
    row.status = Claimable.Status.PROCESSING
    type(row)._default_manager.filter(pk=row.pk).update(
        fence=row.fence, status=row.status, lease_until=Now() + LEASE
    )
    return row


def held(row: M) -> M | None:
    """Return the whole row as it is now, if we still hold it."""
    return _held_by_us(row).first()


def due(rows: QuerySet[M]) -> QuerySet[M]:
    """Return the queued rows that may be claimed now."""
    return rows.filter(status=Claimable.Status.QUEUED, ready_at__lte=Now())


def expired(rows: QuerySet[M]) -> QuerySet[M]:
    """Return the rows whose lease has expired."""
    return rows.filter(status=Claimable.Status.PROCESSING, lease_until__lt=Now())


def take_back(rows: QuerySet[Any]) -> int:
    """Requeue the rows whose lease has expired, count a crash; return how many rows."""
    return expired(rows).update(
        status=Claimable.Status.QUEUED,
        lease_until=None,
        crashes=F("crashes") + 1,
        ready_at=Now(),
    )


@needs_transaction
def lock_held(row: M) -> M:
    """Lock the row and return its current state, if we still hold it.

    Call this first in the transaction that settles the row.

    Raises:
        LeaseLost: our fence is not the newest, or the row was canceled meanwhile.
    """
    held = _held_by_us(row).select_for_update(of=("self",)).first()
    if held is None:
        raise LeaseLost(f"{row!r} at fence {row.fence}")
    return held


def settle(row: Claimable, status: Claimable.Status, **columns: Any) -> None:
    """Release a row with its new status and other columns, if we still hold it.

    Raises:
        LeaseLost: our fence is not the newest, or the row was canceled meanwhile.
    """
    if not _held_by_us(row).update(status=status, lease_until=None, **columns):
        raise LeaseLost(f"{row!r} at fence {row.fence}")


def _held_by_us(row: M) -> QuerySet[M]:
    return type(row)._default_manager.filter(
        pk=row.pk, fence=row.fence, status=Claimable.Status.PROCESSING
    )


class Lease:
    """A lease that a thread renews; `lost` is set once another process holds the row."""

    def __init__(self, row: Claimable) -> None:
        self._row = row
        self.lost = threading.Event()
        self._stop = threading.Event()

    def check(self) -> None:
        """Raise LeaseLost if the row is no longer ours."""
        if self.lost.is_set():
            raise LeaseLost(f"{self._row!r} at fence {self._row.fence}")

    def _renew(self) -> None:
        mine = _held_by_us(self._row)
        while not self._stop.wait(LEASE.total_seconds() / 3):
            try:
                if not mine.update(lease_until=Now() + LEASE):
                    self.lost.set()
                    return
            except DatabaseError:
                # The database may be restarting. If the lease expires, the fence decides.
                logger.warning("could not renew the lease of %r", self._row)
            finally:
                connections.give_back()


@contextmanager
def keep_lease(row: Claimable) -> Iterator[Lease]:
    """Renew the lease of `row` every third of its length while the block runs."""
    lease = Lease(row)
    thread = threading.Thread(target=lease._renew, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        lease._stop.set()
        thread.join()
