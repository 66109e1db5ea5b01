"""Bells: Celery messages that only tell workers that there is work.

A lost bell costs a second: the dispatcher rings again for every row that waits. So web
processes leave their bells to a thread, and no request waits for a broker that hangs.
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

MOST = 16  # bells at once; each starts a slot that works until nothing is left
_EXPIRES = 30  # seconds after which Celery discards a bell that no worker has taken
_MOST_WAITING = 256  # different bells that wait for the thread
# As Celery declares its queues: brokers such as RabbitMQ refuse another declaration.
_QUEUE = {"durable": True, "auto_delete": False}
_OVERTAKEN = 1.0  # seconds after which the dispatcher has rung for the same row


class _Bell(NamedTuple):
    """A bell to ring; equal ones that wait are rung together."""

    task: str
    queue: str
    args: tuple[str, ...]


def ring(task: str, queue: str, count: int = 1, *, args: Sequence[str] = ()) -> None:
    """Start `task` in up to `count` slots of the workers of `queue`.

    Never raises; a failure is logged. Blocks until the broker's timeout if it hangs.
    """
    try:
        with current_app.producer_or_acquire() as producer:
            for _ in range(min(count, MOST)):
                current_app.send_task(
                    task,
                    args=list(args),
                    queue=queue,
                    producer=producer,
                    expires=_EXPIRES,
                    ignore_result=True,
                    retry=False,
                )
    except Exception as error:  # noqa: BLE001 - each broker's library has its own errors
        logger.warning("could not ring for the queue %s: %s", queue, error)


def ring_unless_queued(
    task: str, queue: str, waiting: int, *, args: Sequence[str] = ()
) -> None:
    """Ring for `waiting` rows, minus the bells that are still in the queue.

    Without this check, a queue without workers would collect more bells every second.
    """
    try:
        with current_app.connection_or_acquire() as connection:
            channel = connection.default_channel
            unheard = channel.queue_declare(queue, **_QUEUE).message_count
    except Exception as error:  # noqa: BLE001 - each broker's library has its own errors
        logger.warning("could not ring for the queue %s: %s", queue, error)
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
    """Pass a bell to the thread that rings; never blocks and never raises."""
    if not _process_ringer().add(_Bell(task, queue, tuple(args)), count):
        logger.warning("could not ring for the queue %s: the broker hangs", queue)


class _Ringer:
    """A thread that rings, and the bells that wait for it."""

    def __init__(self) -> None:
        # The values are the number of rings, and the monotonic time of the request.
        self._waiting: dict[_Bell, tuple[int, float]] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._ring_all, name="bells", daemon=True).start()

    def add(self, bell: _Bell, count: int) -> bool:
        """Add a bell; return False if too many others wait."""
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


def _process_ringer() -> _Ringer:
    """Return the ringer of this process; the first call starts its thread."""
    global _ringer
    with _lock:
        if _ringer is None:
            _ringer = _Ringer()
        return _ringer


def _forget_thread() -> None:
    """Reset the ringer after a fork, which does not copy the parent's thread."""
    global _lock, _ringer
    _lock, _ringer = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_thread)
