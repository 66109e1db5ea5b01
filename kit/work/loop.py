"""The work loop: workers claim rows one at a time, perform their work and settle them.

A kind of work is a `Work`, declared in the module of its rules and called by its Celery
task. Its rows are `kit.models.Claimable`, so nothing is lost when a worker is killed: see
`kit.work.claims`. The dispatcher calls its `sweep` every second. CONTRIBUTING.md has the
steps to add one.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from kit.db import connections
from kit.db.transactions import one_transaction
from kit.models import Claimable
from kit.work import bells, claims

SHIFT = 20.0
"""Seconds after which a worker's slot lets the other tasks of its queue run."""

M = TypeVar("M", bound=Claimable)
T = TypeVar("T")
Columns: TypeAlias = Mapping[str, Any]
Status = Claimable.Status

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_busy: "Counter[Work[Any, Any]]" = Counter()  # slots of this process


class Failed(Exception):
    """A try failed for an expected reason, which was logged by the code that raises this.

    It is retried unless `is_last` says that a retry can't succeed.
    """

    def __init__(self, code: str = "", *, is_last: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_last = is_last


class NotNow(Exception):
    """The work can't be tried before `until`; waiting does not count as a try.

    `columns` of the row are changed, for example to say what it waits for.
    """

    def __init__(self, until: datetime, **columns: Any) -> None:
        super().__init__(f"not before {until}")
        self.until = until
        self.columns = columns


class Crashed(Exception):
    """Too many workers crashed while they held a row, which may be the cause."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Work(Generic[M, T]):
    """A kind of work; calling it works off the rows that are due."""

    task: str
    """Celery's name of the task that calls this."""
    queue: str
    """The queue whose workers run the task."""
    args: Sequence[str] = ()
    """Arguments of the task."""

    rows: Callable[[], QuerySet[M]]
    """Return the rows of this kind, of every status."""
    order: Sequence[str] = ("ready_at", "pk")
    """The order in which due rows are claimed."""
    perform: Callable[[M, claims.Lease], T]
    """Do the work of a row, with no transaction open. An exception is a failed try
    (`Failed` if expected), except `NotNow` and `LeaseLost`. Long work checks its lease."""
    complete: Callable[[M, T], Columns] = lambda row, result: {}
    """Write the result, in the transaction that settles the row; return the row's columns
    to change. All of it is rolled back if the lease was lost."""
    explain: Callable[[Exception], Columns] = lambda error: {}
    """Return the row's columns that record why a try failed."""
    ended: Columns = field(default_factory=dict)
    """Columns to change when a row is completed or has failed for good."""

    tries: int | None = 3
    """Failed tries after which a row fails for good; None: no limit."""
    pauses: Sequence[float] = (0.0,)
    """Seconds to wait after the first failed try, the second and so on; the last value
    holds for all further ones."""
    most_crashes: int | None = 3
    """Crashed workers after which a row fails for good; None: no limit."""
    slots: int = bells.MOST
    """The most workers for which one sweep rings."""

    at_once: int | None = None
    """The most slots of one process that do this work at the same time, so that the other
    work of its queues finds a slot; None: no limit."""

    claim: Callable[[], M | None] | None = None
    """Claim the next row, instead of the first one of `due`; for example in fair turns."""
    waiting: Callable[[], int] | None = None
    """Return how many rows may be started now, instead of counting `due`."""
    settle: Callable[[M, T], None] | None = None
    """Settle a row in the open transaction, instead of `complete`. It locks the row by
    `claims.lock_held`, after everything that comes earlier in the order of locks."""
    fail: Callable[[M, Exception], None] | None = None
    """Settle a failed try, instead of by `tries` and `pauses`. It is called while the error
    is handled, and opens a transaction of its own."""

    def __call__(self) -> int:
        """Work until nothing may be started now; return how many rows were claimed.

        After `SHIFT` seconds it rings for itself and returns, so that many rows do not
        block the other tasks of the queue. It returns 0 if `at_once` slots do it already:
        they find what is waiting.
        """
        if self.at_once is None:
            return self._shift()
        with _lock:
            if _busy[self] >= self.at_once:
                return 0
            _busy[self] += 1
        try:
            return self._shift()
        finally:
            with _lock:
                _busy[self] -= 1

    def _shift(self) -> int:
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
        """Perform and settle a row that we hold; a failure is recorded, not raised."""
        try:
            try:
                with claims.keep_lease(row) as lease:
                    result = self.perform(row, lease)
                    with connections.reserved(), transaction.atomic(durable=True):
                        self._settle(row, result)
            except claims.LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - logged where a failure is settled
                # A bug or a full disk must not end the worker, nor block the row until
                # its lease expires.
                with connections.reserved():
                    (self.fail or self._fail)(row, error)
        except claims.LeaseLost as lost:
            logger.info("dropped %s", lost)

    def due(self) -> QuerySet[M]:
        """Return the rows that may be claimed now, in the order of claims."""
        rows = claims.due(self.rows())
        if self.most_crashes is not None:
            rows = rows.filter(crashes__lt=self.most_crashes)
        return rows.order_by(*self.order)

    def sweep(self) -> None:
        """Requeue rows whose lease has expired, and ring for rows that are due."""
        self.take_back()
        self.ring()

    def take_back(self) -> None:
        """Requeue rows whose lease has expired; fail those with too many crashes."""
        claims.take_back(self.rows())
        if self.most_crashes is not None:
            crashed = claims.due(self.rows()).filter(crashes__gte=self.most_crashes)
            columns = {**self.explain(Crashed()), **self.ended}
            crashed.update(status=Status.FAILED, **columns)

    def ring(self) -> None:
        """Ring for the rows that are due, unless enough bells are still in the queue."""
        count = self.waiting() if self.waiting else self.due()[: self.slots].count()
        if count:
            count = min(count, self.at_once or count)
            bells.ring_unless_queued(self.task, self.queue, count, args=self.args)

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
            claims.settle(row, Status.QUEUED, ready_at=error.until, **error.columns)
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
