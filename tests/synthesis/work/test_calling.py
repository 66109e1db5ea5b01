"""Few threads of a process decode audio at a time."""

import threading
from collections.abc import Generator, Iterator

from providers.limits.ceilings import Spent
from synthesis.work import calling


def audio() -> Generator[bytes]:
    return calling._audio_only(iter([b"a", b"b"]), [], Spent())


def test_one_call_computes_while_the_others_wait(monkeypatch) -> None:
    monkeypatch.setattr(calling, "_computing", threading.Semaphore(1))
    first, second = audio(), audio()
    taken = []

    assert next(first) == b"a"
    other = threading.Thread(target=lambda: taken.append(next(second)))
    other.start()
    assert not calling._computing.acquire(blocking=False)
    assert taken == []

    first.close()  # it failed, or the client is gone
    other.join(5)
    assert taken == [b"a"]
    second.close()
    assert calling._computing.acquire(blocking=False)


def test_waiting_for_the_network_is_no_computing(monkeypatch) -> None:
    computing = threading.Semaphore(1)
    monkeypatch.setattr(calling, "_computing", computing)
    free = []

    def parts() -> Iterator[bytes]:
        for part in (b"a", b"b"):
            free.append(computing.acquire(blocking=False))
            computing.release()
            yield part

    assert list(calling._audio_only(parts(), [], Spent())) == [b"a", b"b"]
    assert free == [True, True]
