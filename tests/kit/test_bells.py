"""Bells of requests are rung by a thread, and a broker that hangs holds up nobody."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kit import bells


class Broker:
    """Stands for the way to the broker; may hang."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, str, int]] = []
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Semaphore(0)

    def ring(self, task: str, queue: str, count: int = 1, **_: Any) -> None:
        self.asked.release()
        assert self.answers.wait(20)
        self.rung.append((task, queue, count))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()
    monkeypatch.setattr(bells, "ring", broker.ring)
    monkeypatch.setattr(bells, "_OVERTAKEN", 60.0)  # however slow the machine is
    bells._forget_thread()
    yield broker
    waiting = bells._bells()
    with contextlib.suppress(queue.Empty):  # what is left is for no other test
        while True:
            waiting.get_nowait()
    broker.answers.set()
    bells._forget_thread()


def test_a_bell_is_rung_soon(broker: Broker) -> None:
    bells.ring_soon("task", "local", 3)
    assert broker.asked.acquire(timeout=10)
    bells.ring_soon("task", "remote")
    assert broker.asked.acquire(timeout=10)
    assert broker.rung[0] == ("task", "local", 3)


def test_a_broker_that_hangs_holds_nobody_up(broker: Broker, caplog) -> None:
    broker.answers.clear()
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)  # the thread hangs now
    for _ in range(bells._MOST_WAITING):
        bells.ring_soon("task", "local")
    assert caplog.messages == []
    bells.ring_soon("task", "local")  # one too many is left to the dispatcher
    assert caplog.messages == ["no bell for local: the broker hangs"]


def test_what_the_dispatcher_has_rung_for_is_not_rung_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.answers.clear()
    bells.ring_soon("first", "local")
    assert broker.asked.acquire(timeout=10)
    bells.ring_soon("overtaken", "local")
    later = time.monotonic() + 61
    monkeypatch.setattr("kit.bells.time.monotonic", lambda: later)
    bells.ring_soon("last", "local")
    broker.answers.set()
    assert broker.asked.acquire(timeout=10)
    assert [task for task, *_ in broker.rung if task != "last"] == ["first"]


def test_a_forked_process_has_a_thread_of_its_own(broker: Broker) -> None:
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)
    parents = bells._bells()
    bells._forget_thread()  # as `os.fork` calls it in the child
    assert bells._bells() is not parents
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)
