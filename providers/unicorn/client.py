"""The client's end of the engine: starts it, hands it tasks, reads what it says.

Each process that speaks has an engine of its own, started by its first task. Any number
of threads or greenlets may speak at the same time.
"""

import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from providers.contract.base import Failure, ProviderError

SAMPLE_RATE = 22_050  # Hz
ENGINE_TIMEOUT = 60
"""How long the engine may say nothing; it starts within milliseconds when it is free."""

_LIBRARIES = {"darwin": "libespeak-ng.dylib", "win32": "espeak-ng.dll"}
_WORD = 1


def _package() -> Path:
    """Return where the library and its data lie; found, not imported."""
    spec = find_spec("espeakng_loader")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something begins at `sample`: a word, or the silence after a clause."""

    is_word: bool
    place: int  # offset in the text, in code points
    sample: int  # from the start of the audio


class _Engine:
    """The engine of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def send_task(self, task: socket.socket) -> None:
        """Give the engine its end of a task's socket; start the engine if need be."""
        with self._lock:
            if self._control is None:
                self._start()
            try:
                self._send(task)
            except (BrokenPipeError, ConnectionResetError):
                self._stop()
                self._start()  # it died since the last task
                self._send(task)

    def _send(self, task: socket.socket) -> None:
        assert self._control is not None
        socket.send_fds(self._control, [b"t"], [task.fileno()])

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(ENGINE_TIMEOUT)
        package = _package()
        library = _LIBRARIES.get(sys.platform, "libespeak-ng.so")
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-IS",  # nothing of ours, nothing of the environment's
                    str(Path(__file__).with_name("engine.py")),
                    str(package / library),
                    str(package / "espeak-ng-data"),
                ],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},  # the same sound wherever it runs
                start_new_session=True,  # Ctrl-C is for its owner
            )
        self._control = ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End the engine and whatever it still says."""
        with self._lock:
            self._stop()

    def kill(self) -> None:
        """End an engine that does nothing; what it began to say goes on."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
            self._stop()

    def forget_in_child(self) -> None:
        """Leave the engine to the parent: called in a process just forked."""
        if self._control is not None:
            self._control.close()  # else this copy would keep it alive
        if self._process is not None:
            self._process.returncode = 0  # not our child: never to be waited for
        self._lock = threading.Lock()  # another thread of the parent may hold it
        self._control = self._process = None


_engine = _Engine()
os.register_at_fork(after_in_child=_engine.forget_in_child)
atexit.register(_engine.stop)


def synthesize(
    text: str, voice: str, *, rate: int, pitch: int
) -> Generator[bytes | EngineEvent]:
    """Yield samples and events as they come; closing the iterator ends the speaking.

    Args:
        voice: the engine's own identifier, with its variant.
        rate: words per minute.
        pitch: 0 to 99.

    Raises:
        ProviderError: the engine can't, crashed, or says nothing.
    """
    request = {"text": text, "voice": voice, "rate": rate, "pitch": pitch}
    content = json.dumps(request).encode()
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(ENGINE_TIMEOUT)
        try:
            with theirs:
                _engine.send_task(theirs)
            ours.sendall(struct.pack("<cI", b"?", len(content)) + content)
            with ours.makefile("rb") as stream:
                yield from _answers(stream)
        except TimeoutError as error:
            _engine.kill()
            raise ProviderError(Failure.TIMEOUT, "the engine says nothing") from error
        except OSError as error:
            raise ProviderError(Failure.DOWN, f"no engine: {error}") from error


def _answers(stream: BinaryIO) -> Iterator[bytes | EngineEvent]:
    while header := stream.read(5):
        if len(header) < 5:
            break
        kind, length = struct.unpack("<cI", header)
        content = stream.read(length)
        if len(content) < length:
            break
        if kind == b".":
            return
        if kind == b"A":
            yield content
        elif kind == b"E":
            for what, place, sample in struct.iter_unpack("<BII", content):
                yield EngineEvent(what == _WORD, max(place - 1, 0), sample)
        else:
            raise ProviderError(Failure.DOWN, content.decode())
    raise ProviderError(Failure.DOWN, "the engine crashed")
