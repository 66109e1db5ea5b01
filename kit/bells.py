"""Doorbells: they tell workers that there is work, and carry nothing else.

A bell that is lost costs a second: the dispatcher rings again for every row that waits.
"""

import logging
from collections.abc import Sequence
from functools import partial

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

MOST = 16  # bells for one act; each wakes a slot that works until nothing is left
_STALE = 30  # seconds after which a bell that nobody heard is thrown away


def ring(task: str, queue: str, count: int = 1, *, args: Sequence[str] = ()) -> None:
    """Start `task` in up to `count` slots of the workers on `queue`.

    Never raises or waits long.
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
    """Ring once the open transaction has committed."""
    transaction.on_commit(partial(ring, task, queue, count, args=args))
