"""Limit how many requests of a process wait for locks, so that connections are left.

A request that changes a wallet waits for the wallet's lock, and holds a database connection
while it waits. If many requests use the same wallet, they would soon hold all connections.
So only half of the connections are for such requests. The others wait here, without a
connection, and before anything is reserved.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.conf import settings

from kit.db.connections import give_back
from kit.errors import Overloaded

MAX_WAITING = 128
"""Requests of a process that may wait; more are refused at once."""
PATIENCE = 15.0  # seconds to wait

P = ParamSpec("P")
R = TypeVar("R")

_slots = threading.Semaphore(max(1, settings.DATABASE_POOL_SIZE // 2))
_waiting = threading.Semaphore(MAX_WAITING)


def admitted(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate `function`, which opens a transaction, so that few of them run at once.

    A call raises Overloaded, and does nothing, if too many others wait or if it had to wait
    for too long.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _slots.acquire(blocking=False):
            _wait()
        try:
            return function(*args, **kwargs)
        finally:
            _slots.release()

    return run


def _wait() -> None:
    """Wait for a slot, without a database connection.

    Raises:
        Overloaded: too many requests wait, or none ended in time.
    """
    if not _waiting.acquire(blocking=False):
        raise Overloaded
    try:
        give_back()
        if not _slots.acquire(timeout=PATIENCE):
            raise Overloaded
    finally:
        _waiting.release()
