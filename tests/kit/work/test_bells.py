"""A thread rings the bells of requests, so a broker that hangs blocks no request."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kit.work import bells


class Broker:
    """A broker connection that can hang."""

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
    bells._process_ringer()._waiting.clear()  # what is left is for no other test
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


def test_a_broker_that_hangs_blocks_no_request(broker: Broker, caplog) -> None:
    broker.answers.clear()
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)  # the thread hangs now
    for number in range(bells._MOST_WAITING):
        bells.ring_soon("task", "local", args=[str(number)])
    assert caplog.messages == []
    bells.ring_soon("task", "local")  # one too many is left to the dispatcher
    assert caplog.messages == ["could not ring for the queue local: the broker hangs"]


def test_a_late_bell_is_dropped(
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
    parents = bells._process_ringer()
    bells._forget_thread()  # as `os.fork` calls it in the child
    assert bells._process_ringer() is not parents
    bells.ring_soon("task", "local")
    assert broker.asked.acquire(timeout=10)
