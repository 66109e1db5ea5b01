"""Few requests change data at once; others wait without a connection, or are refused."""

import threading

import pytest
from django.db import connection

from kit.db import admission
from kit.db.admission import admitted
from kit.db.connections import give_back
from kit.errors import Overloaded
from kit.models import QuotaCounter
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(admission, "_slots", threading.Semaphore(2))
    monkeypatch.setattr(admission, "_waiting", threading.Semaphore(3))


def test_only_some_run_at_once_and_all_that_may_wait_run():
    running, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2)

    @admitted
    def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(5)  # the other one has begun, too
        with lock:
            running -= 1
        return "done"

    assert in_threads(4, work) == ["done"] * 4
    assert most == 2


def test_one_too_many_is_refused_at_once_and_the_others_are_not():
    begun, end = threading.Semaphore(0), threading.Event()

    @admitted
    def work():
        begun.release()
        end.wait(5)
        return "done"

    def call():
        try:
            return work()
        except Overloaded as refusal:
            end.set()
            return refusal.headers["Retry-After"]

    assert sorted(in_threads(6, call)) == ["5", *["done"] * 5]


def test_a_waiting_request_holds_no_connection(monkeypatch):
    begun, freed = threading.Semaphore(0), threading.Event()

    def free():
        give_back()
        freed.set()

    @admitted
    def hold():
        begun.release()
        freed.wait(5)

    @admitted
    def work():
        return connection.connection

    def wait():
        QuotaCounter.objects.count()
        assert connection.connection is not None
        return work()

    monkeypatch.setattr(admission, "give_back", free)  # called when it begins to wait
    for _ in range(2):
        threading.Thread(target=hold).start()
        assert begun.acquire(timeout=5)
    assert in_threads(1, wait) == [None]


def test_a_request_that_waits_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(admission, "PATIENCE", 0.01)

    @admitted
    def work():
        with pytest.raises(Overloaded):
            inner()
        return "done"

    @admitted
    def inner():
        return innermost()

    @admitted
    def innermost():
        raise AssertionError

    assert work() == "done"


def test_an_error_frees_the_slot():
    @admitted
    def fail():
        raise ZeroDivisionError

    for _ in range(9):
        with pytest.raises(ZeroDivisionError):
            fail()
