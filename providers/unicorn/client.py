"""The client of the engine: starts it, sends it tasks and reads its audio.

Each process that uses the engine starts its own with the first task. Any number of
threads or greenlets may use it at the same time.
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
"""Seconds without any answer after which the engine is killed.

A free engine answers within milliseconds.
"""

_LIBRARIES = {"darwin": "libespeak-ng.dylib", "win32": "espeak-ng.dll"}
_WORD = 1


def _package() -> Path:
    """Return the folder of the library and its data, without importing the package."""
    spec = find_spec("espeakng_loader")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """The start of a word, or of the silence after a clause, in the engine's audio."""

    is_word: bool
    place: int  # offset in the text, in code points
    sample: int  # from the start of the audio


class _Engine:
    """The engine of this process, started on demand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def send_task(self, task: socket.socket) -> None:
        """Send a task's socket to the engine; start the engine if it isn't running."""
        with self._lock:
            if self._control is None:
                self._start()
            try:
                self._send(task)
            except (BrokenPipeError, ConnectionResetError):
                self._stop()
                self._start()  # it ended since the last task
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
                    "-IS",  # isolated from our packages and the environment
                    str(Path(__file__).with_name("engine.py")),
                    str(package / library),
                    str(package / "espeak-ng-data"),
                ],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},  # the same audio in every environment
                start_new_session=True,  # Ctrl-C must not reach it
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
        """Stop the engine and all its tasks."""
        with self._lock:
            self._stop()

    def kill(self) -> None:
        """Kill an engine that doesn't answer; tasks that already run continue."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
            self._stop()

    def forget_in_child(self) -> None:
        """Forget the parent's engine; called in a newly forked process."""
        if self._control is not None:
            self._control.close()  # an open copy would keep the engine running
        if self._process is not None:
            self._process.returncode = 0  # not our child: it must not be waited for
        self._lock = threading.Lock()  # a thread of the parent may hold the old one
        self._control = self._process = None


_engine = _Engine()
os.register_at_fork(after_in_child=_engine.forget_in_child)
atexit.register(_engine.stop)


def synthesize(
    text: str, voice: str, *, rate: int, pitch: int
) -> Generator[bytes | EngineEvent]:
    """Yield the engine's samples and events as they arrive; closing it ends the task.

    Args:
        voice: the engine's own identifier, with its variant.
        rate: words per minute.
        pitch: 0 to 99.

    Raises:
        ProviderError: the engine failed, crashed or didn't answer in time.
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
            raise ProviderError(
                Failure.TIMEOUT, "the engine does not answer"
            ) from error
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
