"""Doorbells: they tell workers that there is work, and carry nothing else.

A bell that is lost costs a second: the dispatcher rings again for every row that waits. So
whoever answers a request leaves its bells to a thread: a broker that hangs costs no client
a moment.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_ringer: "_Ringer | None" = None  # of this process, once it has rung

MOST = 16  # bells at once; each wakes a slot that works until nothing is left
_STALE = 30  # seconds after which a bell that nobody heard is thrown away
_MOST_WAITING = 256  # different bells that wait for the thread
# As Celery declares them: another broker than Redis lets nobody declare them otherwise.
_QUEUE = {"durable": True, "auto_delete": False}
_OVERTAKEN = 1.0  # seconds after which the dispatcher has rung for the same row


class _Bell(NamedTuple):
    """What is to be rung; equal ones that wait are rung together."""

    task: str
    queue: str
    args: tuple[str, ...]


def ring(task: str, queue: str, count: int = 1, *, args: Sequence[str] = ()) -> None:
    """Start `task` in up to `count` slots of the workers on `queue`.

    Never raises; waits for a broker that hangs until its time limit.
    """
    try:
        with current_app.producer_or_acquire() as producer:
            for _ in range(min(count, MOST)):
                current_app.send_task(
                    task,
                    args=list(args),
                    queue=queue,
                    producer=producer,
                    expires=_STALE,
                    ignore_result=True,
                    retry=False,
                )
    except Exception as error:  # noqa: BLE001 - each broker's library has its own errors
        logger.warning("no bell for %s: %s", queue, error)


def ring_if_quiet(
    task: str, queue: str, waiting: int, *, args: Sequence[str] = ()
) -> None:
    """Ring for `waiting` rows unless as many bells still hang in the queue.

    Without the look, a broker without workers would collect bells every second.
    """
    try:
        with current_app.connection_or_acquire() as connection:
            channel = connection.default_channel
            unheard = channel.queue_declare(queue, **_QUEUE).message_count
    except Exception as error:  # noqa: BLE001 - each broker's library has its own errors
        logger.warning("no bell for %s: %s", queue, error)
        return
    ring(task, queue, min(waiting, MOST) - unheard, args=args)


def ring_on_commit(
    task: str, queue: str, count: int = 1, *, args: Sequence[str] = ()
) -> None:
    """Ring soon after the open transaction has committed."""
    transaction.on_commit(partial(ring_soon, task, queue, count, args=args))


def ring_soon(
    task: str, queue: str, count: int = 1, *, args: Sequence[str] = ()
) -> None:
    """Leave a bell to the thread that rings; never waits and never raises."""
    if not _here().add(_Bell(task, queue, tuple(args)), count):
        logger.warning("no bell for %s: the broker hangs", queue)


class _Ringer:
    """A thread that rings, and what is left for it."""

    def __init__(self) -> None:
        self._waiting: dict[_Bell, tuple[int, float]] = {}  # how often, wanted when
        self._changed = threading.Condition()
        threading.Thread(target=self._ring_all, name="bells", daemon=True).start()

    def add(self, bell: _Bell, count: int) -> bool:
        """Take a bell, unless too many others wait."""
        with self._changed:
            if bell not in self._waiting and len(self._waiting) >= _MOST_WAITING:
                return False
            already, _ = self._waiting.get(bell, (0, 0.0))
            self._waiting[bell] = min(already + count, MOST), time.monotonic()
            self._changed.notify()
            return True

    def _ring_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                bell = next(iter(self._waiting))
                count, wanted_at = self._waiting.pop(bell)
            if time.monotonic() - wanted_at < _OVERTAKEN:
                ring(bell.task, bell.queue, count, args=bell.args)


def _here() -> _Ringer:
    """Return what rings for this process."""
    global _ringer
    with _lock:
        if _ringer is None:
            _ringer = _Ringer()
        return _ringer


def _forget_thread() -> None:
    """Begin anew in a forked process: its parent's thread did not come along."""
    global _lock, _ringer
    _lock, _ringer = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_thread)
