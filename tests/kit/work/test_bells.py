"""Bells of requests are rung by a thread, and a broker that hangs holds up nobody."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kit.work import bells


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
    bells._here()._waiting.clear()  # what is left is for no other test
    broker.answers.set()
    bells._forget_thread()


def test_a_bell_is_rung_soon(broker: Broker) -> None:
    bells.ring_soon("task", "local", 3)
    assert broker.asked.acquire(timeout=10)
    bells.ring_soon("task", "remote")
    assert broker.asked.acquire(timeout=10)
    assert broker.rung[0] == ("task", "local", 3)


def test_equal_bells_that_wait_are_rung_together(broker: Broker, caplog) -> None:
    broker.answers.clear()
    bells.ring_soon("first", "local")
    assert broker.asked.acquire(timeout=10)  # the thread is busy now
    for _ in range(3):
        bells.ring_soon("task", "local", 2)
    for _ in range(1000):
        bells.ring_soon("task", "remote")
    bells.ring_soon("task", "local", args=["1"])
    broker.answers.set()
    for _ in range(3):
        assert broker.asked.acquire(timeout=10)
    bells.ring_soon("last", "local")
    assert broker.asked.acquire(timeout=10)  # so all before it have been rung
    assert broker.rung[1:4] == [
        ("task", "local", 6),
        ("task", "remote", bells.MOST),
        ("task", "local", 1),
    ]
    assert caplog.messages == []


def test_a_broker_that_hangs_holds_nobody_up(broker: Broker, caplog) -> None:
    broker.answers.clear()
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)  # the thread hangs now
    for number in range(bells._MOST_WAITING):
        bells.ring_soon("task", "local", args=[str(number)])
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
    monkeypatch.setattr("kit.work.bells.time.monotonic", lambda: later)
    bells.ring_soon("last", "local")
    broker.answers.set()
    assert broker.asked.acquire(timeout=10)
    assert [task for task, *_ in broker.rung if task != "last"] == ["first"]


def test_a_forked_process_has_a_thread_of_its_own(broker: Broker) -> None:
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)
    parents = bells._here()
    bells._forget_thread()  # as `os.fork` calls it in the child
    assert bells._here() is not parents
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)
