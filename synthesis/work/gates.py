"""The gates under which scenes are claimed: one for each queue, so that limits are exact.

A provider's scenes are all in one queue. Whoever holds its gate sees what is being spoken,
and nobody else starts anything until the holder's transaction ends. So nothing may be
waited for under a gate, neither a lock nor another server: it is taken last, after job,
scene, wallet and lots, and rows that are locked are skipped.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import F

from kit.db import connections
from kit.db.transactions import needs_transaction
from synthesis.models import Gate, Scene

_LOCK = 0x6F7A_7661  # advisory lock, with the number of a queue
_WRITTEN_EVERY = 10.0  # seconds between two writes of the numbers of a process

logger = logging.getLogger(__name__)
_NUMBERS = {str(queue): number for number, queue in enumerate(Scene.Queue)}


@needs_transaction
def lock(queue: str) -> None:
    """Take the gate of `queue` until the open transaction ends, waiting if needed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, _NUMBERS[queue]])
    taken = time.monotonic()
    transaction.on_commit(lambda: _holds.add(queue, time.monotonic() - taken))


def run(
    queue: str, statement: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that runs alone under the gate of `queue`.

    One message to the database takes the gate, runs the statement and commits, so this
    process can't hold the gate for longer than the database works. The statement sees
    everything that was committed under the gate before.

    Raises:
        TransactionManagementError: a transaction is open, and would hold the gate longer.
    """
    connections.needs_none_open()
    own = {"gate": _LOCK, "number": _NUMBERS[queue]}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%(gate)s, %(number)s), clock_timestamp();"
            f"{statement}; SELECT clock_timestamp()",
            dict(parameters, **own),
        )
        ((_, taken),) = cursor.fetchall()
        cursor.nextset()
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.nextset()
        ((done,),) = cursor.fetchall()
    _holds.add(queue, (done - taken).total_seconds())
    return rows


class _Holds:
    """How often and how long this process held each gate, until that is written."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held: defaultdict[str, list[float]] = defaultdict(list)
        self._written = time.monotonic()

    def add(self, queue: str, seconds: float) -> None:
        """Add a hold that has ended; sometimes write all that were added.

        Never raises: numbers that can't be written are no reason to drop a claim.
        """
        with self._mutex:
            self._held[queue].append(seconds)
            if time.monotonic() - self._written < _WRITTEN_EVERY:
                return
            held, self._held = self._held, defaultdict(list)
            self._written = time.monotonic()
        try:
            for name, all_seconds in held.items():
                Gate.objects.filter(queue=name).update(
                    holds=F("holds") + len(all_seconds),
                    seconds=F("seconds") + sum(all_seconds),
                )
        except DatabaseError:
            logger.warning("could not write how long the gates were held")


_holds = _Holds()
