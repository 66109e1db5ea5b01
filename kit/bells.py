"""Doorbells: they tell workers that there is work, and carry nothing else.

A bell that is lost costs a second: the dispatcher rings again for every row that waits. So
whoever answers a request leaves its bells to a thread: a broker that hangs costs no client
a moment.
"""

import logging
import os
import queue as queues
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_waiting: "queues.Queue[_Bell] | None" = None  # of this process, once it has rung

MOST = 16  # bells for one act; each wakes a slot that works until nothing is left
_STALE = 30  # seconds after which a bell that nobody heard is thrown away
_MOST_WAITING = 256  # acts whose bells wait for the thread
_OVERTAKEN = 1.0  # seconds after which the dispatcher has rung for the same row


@dataclass(frozen=True, slots=True)
class _Bell:
    """What is to be rung."""

    task: str
    queue: str
    count: int
    args: Sequence[str]
    wanted_at: float  # by the monotonic clock


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
            unheard = channel.queue_declare(queue, passive=False).message_count
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
    try:
        _bells().put_nowait(_Bell(task, queue, count, args, time.monotonic()))
    except queues.Full:
        logger.warning("no bell for %s: the broker hangs", queue)


def _bells() -> "queues.Queue[_Bell]":
    """Return what this process has to ring, and see to it that somebody does."""
    global _waiting
    with _lock:
        if _waiting is None:
            _waiting = queues.Queue(_MOST_WAITING)
            threading.Thread(
                target=_ring_all, args=(_waiting,), name="bells", daemon=True
            ).start()
        return _waiting


def _ring_all(waiting: "queues.Queue[_Bell]") -> None:
    while True:
        bell = waiting.get()
        if time.monotonic() - bell.wanted_at < _OVERTAKEN:
            ring(bell.task, bell.queue, bell.count, args=bell.args)


def _forget_thread() -> None:
    """Begin anew in a forked process: its parent's thread did not come along."""
    global _lock, _waiting
    _lock, _waiting = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_thread)
