"""The engine's process: concurrent, canceled, crashed and orphaned tasks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from providers.contract.base import Access, Failure, ProviderError, SpeechRequest, Word
from providers.unicorn import Unicorn, client
from tests.providers.speaking import hear

LONG = "A long text that takes quite some time to be said. " * 58

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc"
)


def engine() -> subprocess.Popen[bytes]:
    """Return this process's engine, started."""
    hear("Awake?")
    process = client._engine._process
    assert process is not None
    return process


def speaking(text: str = LONG) -> Generator[bytes | Word]:
    """Return the parts of a speech after its first part."""
    parts = Unicorn().speak(SpeechRequest(text, "en-us"), Access()).parts
    assert isinstance(parts, Generator)
    next(parts)
    return parts


def members(group: int) -> set[int]:
    """Return the living processes of a group."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # the process just ended
        if int(pgrp) == group and state not in "ZX":
            found.add(int(entry.parent.name))
    return found


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def script(code: str) -> subprocess.Popen[str]:
    """Run Python code that may import the project in a separate process."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_threads_get_the_same_audio_as_one_client():
    texts = [f"Text number {number}, said by many. " * 5 for number in range(4)]
    serial = [hear(text, "de") for text in texts]
    with ThreadPoolExecutor(32) as pool:
        for _ in range(2):
            heard = list(pool.map(lambda n: hear(texts[n % 4], "de"), range(32)))
            assert all(heard[n] == serial[n % 4] for n in range(32))


def test_a_new_engine_sounds_like_the_last():
    before = hear(LONG[:500])
    client._engine.stop()
    assert hear(LONG[:500]) == before


@needs_proc
def test_closing_the_client_ends_the_task():
    pid = engine().pid
    eventually(lambda: members(pid) == {pid})
    parts = speaking()
    assert len(members(pid)) == 2
    parts.close()
    eventually(lambda: members(pid) == {pid})


@needs_proc
def test_unread_speech_starts_no_task():
    pid = engine().pid
    eventually(lambda: members(pid) == {pid})
    speech = Unicorn().speak(SpeechRequest(LONG, "en-us"), Access())
    assert members(pid) == {pid}
    del speech


@needs_proc
def test_a_crash_costs_one_task():
    pid = engine().pid
    eventually(lambda: members(pid) == {pid})
    other = speaking()
    others = members(pid)
    parts = speaking()
    (victim,) = members(pid) - others
    os.kill(victim, signal.SIGSEGV)
    with pytest.raises(ProviderError) as caught:
        list(parts)
    assert caught.value.kind == Failure.DOWN
    assert caught.value.kind.is_retryable
    assert len(list(other)) > 100
    assert engine().pid == pid


def test_a_dead_engine_is_replaced():
    process = engine()
    before = hear("Hello again.")
    process.kill()
    process.wait()
    assert hear("Hello again.") == before
    assert engine().pid != process.pid


@needs_proc
def test_an_engine_killed_with_all_its_forks_is_an_error_and_then_replaced():
    process = engine()
    parts = speaking()
    os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(ProviderError) as caught:
        list(parts)
    assert caught.value.kind == Failure.DOWN
    process.wait()
    assert hear("Hello again.").spoken == ["Hello", "again"]


@needs_proc
def test_many_threads_replace_a_dead_engine_once():
    process = engine()
    process.kill()
    process.wait()
    with ThreadPoolExecutor(16) as pool:
        pids = set(pool.map(lambda _: engine().pid, range(32)))
    assert len(pids) == 1


def test_unresponsive_engine_is_replaced_and_running_tasks_continue(monkeypatch):
    process = engine()
    other = speaking()
    monkeypatch.setattr(client, "ENGINE_TIMEOUT", 0.2)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(ProviderError) as caught:
        hear("Hello?")
    assert caught.value.kind == Failure.TIMEOUT
    monkeypatch.undo()
    assert hear("Hello.").spoken == ["Hello"]
    assert engine().pid != process.pid
    assert sum(isinstance(part, Word) for part in other) == 11 * 58


def test_an_engine_that_cannot_start_is_an_error(monkeypatch, tmp_path):
    client._engine.stop()
    monkeypatch.setattr(client, "_package", lambda: tmp_path)
    with pytest.raises(ProviderError) as caught:
        hear("Hello?")
    assert caught.value.kind == Failure.DOWN
    monkeypatch.undo()
    assert hear("Hello.").spoken == ["Hello"]


def test_it_works_from_a_deep_folder(monkeypatch, tmp_path):
    deep = tmp_path.joinpath(*["a-folder-with-a-rather-long-name"] * 8)
    deep.parent.mkdir(parents=True)
    deep.symlink_to(client._package())
    assert len(str(deep)) > 250
    before = hear("Hello.")
    client._engine.stop()
    monkeypatch.setattr(client, "_package", lambda: deep)
    assert hear("Hello.") == before
    client._engine.stop()


OWNER = """
import sys, time
from providers.contract.base import Access, SpeechRequest
from providers.unicorn import Unicorn, client
parts = iter(Unicorn().speak(SpeechRequest("word " * 600, "en-us"), Access()).parts)
next(parts)
print(client._engine._process.pid, flush=True)
{then}
"""


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_engine_ends_when_its_owner_is_killed(number):
    owner = script(OWNER.format(then="time.sleep(60)"))
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert len(members(pid)) == 2  # the engine and one fork
    owner.send_signal(number)
    owner.communicate()
    eventually(lambda: not members(pid))


@needs_proc
def test_engine_ends_when_its_owner_exits():
    owner = script(OWNER.format(then="parts.close()"))
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.communicate()
    assert owner.returncode == 0
    eventually(lambda: not members(pid))


FORKING = """
import os, sys
from tests.providers.speaking import hear
from providers.unicorn import client
before = hear("Hello.")
mother = client._engine._process.pid
child = os.fork()
if not child:
    same = hear("Hello.") == before
    own = client._engine._process.pid != mother
    client._engine.stop()
    os._exit(0 if same and own else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert hear("Hello.") == before
assert client._engine._process.pid == mother
"""


def test_a_forked_process_has_an_engine_of_its_own():
    forking = script(FORKING)
    forking.communicate()
    assert forking.returncode == 0


@needs_proc
def test_a_forked_process_does_not_keep_its_parents_engine():
    owner = script(
        OWNER.format(then="import os\nif not os.fork(): time.sleep(60)\nos._exit(0)")
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.wait()
    eventually(lambda: not members(pid))


COOPERATING = """
from gevent import monkey; monkey.patch_all()
import gevent
from tests.providers.speaking import hear
turns = 0
def count():
    global turns
    while True:
        gevent.sleep(0)
        turns += 1
gevent.spawn(count)
texts = [f"Text number {number}. " * 40 for number in range(4)]
speaking = [gevent.spawn(hear, texts[n % 4]) for n in range(20)]
gevent.joinall(speaking, raise_error=True)
assert all(speaking[n].value == speaking[n % 4].value for n in range(20))
assert turns > 20
"""


def test_it_works_among_greenlets():
    cooperating = script(COOPERATING)
    cooperating.communicate()
    assert cooperating.returncode == 0
