"""The speech service: concurrent, canceled and crashed tasks; its beginning and end."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from django.conf import settings

from providers.contract.base import Access, Failure, ProviderError, SpeechRequest, Word
from providers.unicorn import Unicorn, client
from providers.unicorn.espeak import ESpeak
from providers.unicorn.service import CONTROL, _Program, socket_path
from tests.providers.speaking import hear

VOICES = ("en-us", "heart")
LONG = "A long text that takes quite some time to be said. " * 58

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc"
)


@pytest.fixture(autouse=True)
def directory(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """Let tests that kill the service or an engine have one of their own."""
    if not request.node.get_closest_marker("system"):
        yield settings.SPEECH_DIRECTORY
        return
    folder = Path(tempfile.mkdtemp(prefix="ozvena-speech-"))
    monkeypatch.setattr(settings, "SPEECH_DIRECTORY", folder)
    own = client._Service()
    monkeypatch.setattr(client, "_service", own)
    yield folder
    try:
        pid = _serving(folder)
    except OSError:
        pass  # killed
    else:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not members(pid))
    if own._started is not None:
        own._started.wait(10)
    shutil.rmtree(folder)


def _serving(directory: Path) -> int:
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(socket_path(directory, CONTROL))
        credentials = control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[0])


def service() -> int:
    """Return the process id of the service, started."""
    hear("Awake?")
    return _serving(settings.SPEECH_DIRECTORY)


def speaking(text: str = LONG, voice: str = "en-us") -> Generator[bytes | Word]:
    """Return the parts of a speech after its first part."""
    parts = Unicorn().speak(SpeechRequest(text, voice), Access()).parts
    assert isinstance(parts, Generator)
    next(parts)
    return parts


def members(group: int) -> dict[int, tuple[int, str]]:
    """Return the living processes of a group: the parent and the command of each."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, pgrp = (
                (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            )
            command = (entry / "cmdline").read_bytes().decode()
        except OSError:
            continue  # the process just ended
        if int(pgrp) == group and state not in "ZX":
            found[int(entry.name)] = int(parent), command
    return found


def engines(group: int, name: str = "espeak") -> set[int]:
    """Return the processes of an engine's program: those that the service started."""
    return {
        pid
        for pid, (parent, command) in members(group).items()
        if parent == group and f"{name}" in command
    }


def forks(group: int, name: str = "espeak") -> set[int]:
    """Return the processes that an engine's program has forked."""
    programs = engines(group, name)
    return {p for p, (parent, _) in members(group).items() if parent in programs}


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def script(code: str, first: str = "") -> subprocess.Popen[str]:
    """Run Python code that may import the project in a separate process."""
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"{first}import django; django.setup()\n{code}",
        ],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("voice", VOICES)
def test_threads_get_the_same_audio_as_one_client(voice):
    texts = [f"Text number {number}, said by many. " * 5 for number in range(4)]
    serial = [hear(text, voice) for text in texts]
    with ThreadPoolExecutor(32) as pool:
        heard = list(pool.map(lambda n: hear(texts[n % 4], voice), range(32)))
        assert all(heard[n] == serial[n % 4] for n in range(32))


@pytest.mark.system
@needs_proc
@pytest.mark.parametrize("voice", VOICES)
def test_a_new_service_sounds_like_the_last(voice):
    before = hear(LONG[:500], voice)
    pid = service()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not members(pid))
    assert hear(LONG[:500], voice) == before
    assert service() != pid


@needs_proc
def test_closing_the_client_ends_the_task():
    pid = service()
    eventually(lambda: not forks(pid))
    parts = speaking()
    assert len(forks(pid)) == 1
    parts.close()
    eventually(lambda: not forks(pid))


@needs_proc
def test_unread_speech_starts_no_task():
    pid = service()
    eventually(lambda: not forks(pid))
    speech = Unicorn().speak(SpeechRequest(LONG, "en-us"), Access())
    assert not forks(pid)
    del speech


@needs_proc
def test_a_crash_costs_one_task():
    pid = service()
    eventually(lambda: not forks(pid))
    other = speaking()
    others = forks(pid)
    parts = speaking()
    (victim,) = forks(pid) - others
    os.kill(victim, signal.SIGSEGV)
    with pytest.raises(ProviderError) as caught:
        list(parts)
    assert caught.value.kind == Failure.DOWN
    assert caught.value.kind.is_retryable
    assert len(list(other)) > 100


@pytest.mark.system
@needs_proc
@pytest.mark.parametrize(
    ("voice", "engine"), [("en-us", "espeak"), ("heart", "hibari")]
)
def test_a_dead_engine_is_replaced(voice, engine):
    pid = service()
    before = hear("Hello again.", voice)
    (program,) = engines(pid, engine)
    os.kill(program, signal.SIGKILL)
    eventually(lambda: program not in members(pid))
    assert hear("Hello again.", voice) == before
    eventually(lambda: len(engines(pid, engine)) == 1)
    assert engines(pid, engine) != {program}
    assert service() == pid


@pytest.mark.system
@needs_proc
def test_a_killed_process_of_a_model_costs_its_tasks_and_is_replaced():
    pid = service()
    before = hear("Hello again.", "heart")
    count = len(forks(pid, "hibari"))
    assert count == os.cpu_count()
    parts = speaking(LONG, "heart")
    for victim in forks(pid, "hibari"):
        os.kill(victim, signal.SIGKILL)
    with pytest.raises(ProviderError) as caught:
        list(parts)
    assert caught.value.kind == Failure.DOWN
    assert hear("Hello again.", "heart") == before
    eventually(lambda: len(forks(pid, "hibari")) == count)


@pytest.mark.system
@needs_proc
def test_many_threads_start_one_service():
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: service(), range(32)))) == 1


@pytest.mark.system
@needs_proc
def test_a_hung_engine_is_replaced_and_running_tasks_continue(monkeypatch):
    pid = service()
    other = speaking()
    (program,) = engines(pid)
    monkeypatch.setattr(client, "ENGINE_TIMEOUT", 0.2)
    os.kill(program, signal.SIGSTOP)
    with pytest.raises(ProviderError) as caught:
        hear("Hello?")
    assert caught.value.kind == Failure.TIMEOUT
    monkeypatch.setattr(client, "ENGINE_TIMEOUT", 60)
    assert hear("Hello.").spoken == ["Hello"]
    assert program not in members(pid)
    assert sum(isinstance(part, Word) for part in other) == 11 * 58


@pytest.mark.system
def test_a_directory_that_others_may_use_is_refused(monkeypatch, directory):
    monkeypatch.setattr(client, "_START_TIMEOUT", 0.1)
    directory.chmod(0o755)
    with pytest.raises(ProviderError) as caught:
        hear("Hello?")
    assert caught.value.kind == Failure.DOWN
    directory.chmod(0o700)
    monkeypatch.setattr(client, "_START_TIMEOUT", 20)
    assert hear("Hello.").spoken == ["Hello"]


def test_espeak_works_from_a_deep_folder(tmp_path):
    *command, library, data = ESpeak().command()
    deep = tmp_path.joinpath(*["a-folder-with-a-rather-long-name"] * 8)
    deep.parent.mkdir(parents=True)
    deep.symlink_to(Path(data).parent)
    assert len(str(deep)) > 250

    class FromDeep(ESpeak):
        def command(self) -> list[str]:
            return [*command, library, str(deep / Path(data).name)]

    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as task:
        program = _Program(FromDeep(), listener)
        program.start()
        content = b'{"text": "Hello.", "voice": "gmw/en-US", "rate": 175, "pitch": 50}'
        task.sendall(struct.pack("<cI", b"?", len(content)) + content)
        with task.makefile("rb") as stream:
            kinds = {kind for kind, _ in client._frames(stream)}
        program.kill()
        assert program.process is not None
        program.process.wait()
    assert kinds == {b"A", b"E"}


@pytest.mark.system
@needs_proc
def test_one_long_text_does_not_delay_a_short_one():
    service()
    count = os.cpu_count() or 1
    books = [speaking("Read me. " * 330, "heart") for _ in range(2 * count)]
    hear("Short.", "heart")
    for book in books:
        with closing(book):
            # Its next minutes had not been sent when the short one was done.
            sound = (part for part in book if isinstance(part, bytes))
            assert sum(map(len, islice(sound, 60))) > 1_000_000


OWNER = """
import sys, time
from providers.contract.base import Access, SpeechRequest
from providers.unicorn import Unicorn, client
from tests.providers.unicorn.test_service import service
from django.conf import settings
from pathlib import Path
settings.SPEECH_DIRECTORY = Path({directory!r})
parts = iter(Unicorn().speak(SpeechRequest("word " * 600, "en-us"), Access()).parts)
next(parts)
print(service(), flush=True)
{then}
"""


def owner_of(directory: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    """Return a process that has started a service, and the service."""
    owner = script(OWNER.format(directory=str(directory), then=then))
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


@pytest.mark.system
@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_service_ends_when_its_last_client_is_killed(number, directory):
    owner, pid = owner_of(directory, "time.sleep(60)")
    assert len(engines(pid)) == 1
    owner.send_signal(number)
    owner.communicate()
    eventually(lambda: not members(pid))


@pytest.mark.system
@needs_proc
def test_another_client_keeps_the_service(directory):
    owner, pid = owner_of(directory, "parts.close()")
    assert service() == pid
    owner.communicate()
    assert owner.returncode == 0
    time.sleep(3)  # longer than a service without a client lives
    assert service() == pid


@pytest.mark.system
@needs_proc
def test_the_service_ends_with_all_processes_when_it_is_killed():
    pid = service()
    hear("Loaded.", "heart")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not members(pid))


FORKING = """
import os, sys
from tests.providers.speaking import hear
from tests.providers.unicorn.test_service import service
from providers.unicorn import client
before, first = hear("Hello."), service()
child = os.fork()
if not child:
    assert client._service._control is None
    os._exit(0 if hear("Hello.") == before and service() == first else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert hear("Hello.") == before
"""


@needs_proc
def test_a_forked_process_shares_the_service():
    forking = script(FORKING)
    forking.communicate()
    assert forking.returncode == 0


@pytest.mark.system
@needs_proc
def test_a_forked_process_does_not_keep_the_service(directory):
    owner, pid = owner_of(
        directory, "import os\nif not os.fork(): time.sleep(60)\nos._exit(0)"
    )
    owner.wait()
    eventually(lambda: not members(pid))


COOPERATING = """
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
    cooperating = script(COOPERATING, "from gevent import monkey; monkey.patch_all()\n")
    cooperating.communicate()
    assert cooperating.returncode == 0
