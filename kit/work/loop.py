"""Work: rows that workers claim one at a time, perform and settle; one loop for all kinds.

A kind of work is a `Work`, declared beside its rules and called by its Celery task. Its
rows are `kit.models.Claimable`, so whoever is killed over one loses nothing: see
`kit.work.claims`. Its `sweep` is called by the dispatcher every second. CONTRIBUTING.md
has the steps to add one.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from kit.db.transactions import one_transaction
from kit.models import Claimable
from kit.work import bells, claims

SHIFT = 20.0
"""Seconds after which a worker's slot lets other tasks of its queue go first."""

M = TypeVar("M", bound=Claimable)
T = TypeVar("T")
Columns: TypeAlias = Mapping[str, Any]
Status = Claimable.Status

logger = logging.getLogger(__name__)


class Failed(Exception):
    """A try failed for a reason that was foreseen, and that whoever raises it has logged.

    There are more tries, unless `is_last`: then none would help.
    """

    def __init__(self, code: str = "", *, is_last: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_last = is_last


class NotNow(Exception):
    """Nothing could be tried, nor can it before `until`; the wait costs no try."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"not before {until}")
        self.until = until


class Crashed(Exception):
    """Too many workers have vanished over a row: it may be what ends them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Work(Generic[M, T]):
    """A kind of work; calling it does what waits."""

    task: str
    """Celery's name of the task that calls it."""
    queue: str
    """Whose workers run the task."""
    args: Sequence[str] = ()
    """Arguments of the task."""

    rows: Callable[[], QuerySet[M]]
    """Return the rows of this kind, whatever their status."""
    order: Sequence[str] = ("ready_at", "pk")
    """Which of those that are due is next."""
    perform: Callable[[M, claims.Lease], T]
    """Do a row's work, with no transaction open. What it raises is a failed try (`Failed`
    if it was foreseen), but for `NotNow` and `LeaseLost`. Long work checks its lease."""
    complete: Callable[[M, T], Columns] = lambda row, result: {}
    """Write what was made, in the transaction that settles the row; return what of it goes
    into columns of the row. All of it is undone if the lease was lost."""
    explain: Callable[[Exception], Columns] = lambda error: {}
    """Return the columns that say why a try failed, the last one or not."""
    ended: Columns = field(default_factory=dict)
    """Columns to write when a row is completed or given up."""

    tries: int | None = 3
    """Failed tries after which a row is given up; None: never."""
    pauses: Sequence[float] = (0.0,)
    """Seconds after the first failed try, the second and so on; the last one from then."""
    most_crashes: int | None = 3
    """Vanished workers after which a row is given up; None: never."""
    slots: int = bells.MOST
    """How many workers one sweep rings for, at most."""

    claim: Callable[[], M | None] | None = None
    """Claim the next row in another way than the first of `due`: in fair turns, say."""
    waiting: Callable[[], int] | None = None
    """Return how many rows may be started now, in another way than all of `due`."""
    settle: Callable[[M, T], None] | None = None
    """Settle a row in the open transaction in another way than by `complete`. It locks the
    row by `claims.lock_held`, after all that is locked before."""
    fail: Callable[[M, Exception], None] | None = None
    """Settle a failed try in another way than by `tries` and `pauses`. Called while the
    error is handled; opens a transaction of its own."""

    def __call__(self) -> int:
        """Work until nothing may be started now; return how many rows were claimed.

        After a shift it rings for itself and ends, so that other tasks of the queue are
        not held up by many rows.
        """
        began = time.monotonic()
        count = 0
        while (row := self.take()) is not None:
            count += 1
            self.do(row)
            if time.monotonic() - began > SHIFT:
                bells.ring(self.task, self.queue, args=self.args)
                break
        return count

    def take(self) -> M | None:
        """Claim the next row; None if nothing may be started now."""
        return self.claim() if self.claim else self._take_first()

    def do(self, row: M) -> None:
        """Perform and settle a row that we hold; nothing is raised for its failure."""
        try:
            try:
                with claims.kept(row) as lease:
                    result = self.perform(row, lease)
                with transaction.atomic(durable=True):
                    self._settle(row, result)
            except claims.LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - logged where a failure is settled
                # A bug or a full disk must neither end the worker nor leave the row to
                # its lease.
                (self.fail or self._fail)(row, error)
        except claims.LeaseLost as lost:
            logger.info("dropped %s", lost)

    def due(self) -> QuerySet[M]:
        """Return the rows whose time has come, the next one first."""
        rows = claims.due(self.rows())
        if self.most_crashes is not None:
            rows = rows.filter(crashes__lt=self.most_crashes)
        return rows.order_by(*self.order)

    def sweep(self) -> None:
        """Take back what silent holders left, and ring for what waits."""
        self.take_back()
        self.ring()

    def take_back(self) -> None:
        """Queue again what silent holders left; give up what may have ended too many."""
        claims.take_back(self.rows())
        if self.most_crashes is not None:
            deadly = claims.due(self.rows()).filter(crashes__gte=self.most_crashes)
            columns = {**self.explain(Crashed()), **self.ended}
            deadly.update(status=Status.FAILED, **columns)

    def ring(self) -> None:
        """Ring for what waits, unless enough bells still hang in the queue."""
        count = self.waiting() if self.waiting else self.due()[: self.slots].count()
        if count:
            bells.ring_if_quiet(self.task, self.queue, count, args=self.args)

    def ring_on_commit(self, count: int = 1) -> None:
        """Ring for new rows soon after the open transaction has committed."""
        bells.ring_on_commit(self.task, self.queue, count, args=self.args)

    @one_transaction
    def _take_first(self) -> M | None:
        return claims.claim(self.due())

    def _settle(self, row: M, result: T) -> None:
        if self.settle:
            self.settle(row, result)
        else:
            columns = {**self.complete(row, result), **self.ended}
            claims.settle(row, Status.COMPLETED, **columns)

    def _fail(self, row: M, error: Exception) -> None:
        if isinstance(error, NotNow):
            claims.settle(row, Status.QUEUED, ready_at=error.until)
            return
        if not isinstance(error, Failed):
            logger.exception("%s %s failed", row._meta.label, row.pk)
        tries = row.attempts + 1
        columns = {**self.explain(error), "attempts": tries}
        is_last = isinstance(error, Failed) and error.is_last
        if is_last or (self.tries is not None and tries >= self.tries):
            claims.settle(row, Status.FAILED, **columns, **self.ended)
        else:
            pause = self.pauses[min(tries, len(self.pauses)) - 1]
            again = Now() + timedelta(seconds=pause)
            claims.settle(row, Status.QUEUED, **columns, ready_at=again)
