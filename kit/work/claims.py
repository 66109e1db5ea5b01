"""Claims: one process at a time works on a row, and nothing is lost by `kill -9`.

A worker *claims* a row: it takes a lease and a new fence number. It works with no
transaction open, while a thread of its process renews the lease. It *settles* the row in
one short transaction, which first checks that its fence is still the newest. A worker that
was killed or lost its lease settles nothing; the dispatcher requeues its rows and rings for
them.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from django.db import DatabaseError, transaction
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
    """A lease that is renewed; `lost` is set once another process holds the row."""

    def __init__(self, row: Claimable) -> None:
        self.row = row
        self.lost = threading.Event()

    def check(self) -> None:
        """Raise LeaseLost if the row is no longer ours."""
        if self.lost.is_set():
            raise LeaseLost(f"{self.row!r} at fence {self.row.fence}")


@contextmanager
def keep_lease(row: Claimable) -> Iterator[Lease]:
    """Renew the lease of `row` every third of its length while the block runs."""
    lease = Lease(row)
    renewer = _process_renewer()
    renewer.add(lease)
    try:
        yield lease
    finally:
        renewer.remove(lease)


class _Renewer:
    """A thread that renews all leases of this process, on a connection of its own."""

    def __init__(self) -> None:
        self._leases: set[Lease] = set()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="leases", daemon=True).start()

    def add(self, lease: Lease) -> None:
        """Renew `lease` from now on."""
        with self._changed:
            self._leases.add(lease)
            self._changed.notify()

    def remove(self, lease: Lease) -> None:
        """Renew `lease` no more."""
        with self._changed:
            self._leases.discard(lease)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._leases)
            time.sleep(LEASE.total_seconds() / 3)
            with self._changed:
                leases = list(self._leases)
            try:
                with connections.reserved(connections.RENEWALS):
                    renew(leases)
            except DatabaseError:
                # The database may be restarting. If a lease expires, the fence decides.
                logger.warning("could not renew %d leases", len(leases))


def renew(leases: Sequence[Lease]) -> None:
    """Renew the leases of rows that we still hold; mark the others as lost.

    A row that another transaction has locked is skipped: it is being settled or canceled,
    and the other rows can't wait for it.
    """
    by_model: defaultdict[type[Claimable], list[Lease]] = defaultdict(list)
    for lease in leases:
        by_model[type(lease.row)].append(lease)
    for model, of_model in by_model.items():
        rows = model._default_manager.filter(
            pk__in=[lease.row.pk for lease in of_model],
            status=Claimable.Status.PROCESSING,
        ).order_by()
        held = set(rows.values_list("pk", "fence"))
        lost = [one for one in of_model if (one.row.pk, one.row.fence) not in held]
        ours = {one.row.pk for one in of_model if one not in lost}
        with transaction.atomic():
            unlocked = rows.filter(pk__in=ours).select_for_update(skip_locked=True)
            keys = list(unlocked.values_list("pk", flat=True))
            rows.filter(pk__in=keys).update(lease_until=Now() + LEASE)
        for lease in lost:
            lease.lost.set()


_lock = threading.Lock()
_renewer: _Renewer | None = None


def _process_renewer() -> _Renewer:
    """Return the renewer of this process; the first call starts its thread."""
    global _renewer
    with _lock:
        if _renewer is None:
            _renewer = _Renewer()
        return _renewer


def _forget_thread() -> None:
    """Reset the renewer after a fork, which does not copy the parent's thread."""
    global _lock, _renewer
    _lock, _renewer = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_thread)
