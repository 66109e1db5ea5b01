"""The client of the speech service: starts it if there is none, and hands it tasks.

Any number of threads or greenlets may use it at the same time. A process that speaks needs
nothing of an engine in its own memory.
"""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from providers.contract.base import Failure, ProviderError
from providers.unicorn.service import CONTROL, socket_path

ENGINE_TIMEOUT = 60
"""Seconds without any answer after which the engines are replaced.

A free engine answers within milliseconds.
"""

_START_TIMEOUT = 20.0  # seconds


class _Service:
    """This process's connection to the machine's speech service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._started: subprocess.Popen[bytes] | None = None

    def connect(self, engine: str) -> socket.socket:
        """Return a connection for one task of an engine; start the service if needed.

        Raises:
            OSError: there is no service, and none can be started.
        """
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                self._stay_connected()
                return _connected(engine)
            except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
                if time.monotonic() > deadline:
                    raise
                with self._lock:
                    self._start()
            time.sleep(0.02)

    def replace_engines(self) -> None:
        """Replace engine processes that don't answer; tasks in forks continue."""
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.send(b"r")

    def _stay_connected(self) -> None:
        """Keep a connection open, so that the service knows that it is needed."""
        with self._lock:
            if self._control is not None and not _is_closed(self._control):
                return
            if self._control is not None:
                self._control.close()
                self._control = None
            self._control = _connected(CONTROL)
            self._control.setblocking(False)

    def _start(self) -> None:
        """Start the service, unless one that we started is just coming up."""
        if self._started is not None and self._started.poll() is None:
            return
        directory = _directory()
        self._started = subprocess.Popen(
            [sys.executable, "-m", "providers.unicorn.service", str(directory)],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,  # Ctrl-C must not reach it
        )

    def forget_in_child(self) -> None:
        """Forget the parent's connection; called in a newly forked process."""
        if self._control is not None:
            self._control.close()  # an open copy would keep the service running
        if self._started is not None:
            self._started.returncode = 0  # not our child: it must not be waited for
        self._lock = threading.Lock()  # a thread of the parent may hold the old one
        self._control = self._started = None


_service = _Service()
os.register_at_fork(after_in_child=_service.forget_in_child)


def _directory() -> Path:
    """Return the directory of the sockets, made if it is missing.

    Raises:
        PermissionError: it belongs to another account, or others may use it.
    """
    directory: Path = settings.SPEECH_DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = directory.stat()
    if state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(f"{directory} is not for this account alone")
    return directory


def _connected(name: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ENGINE_TIMEOUT)
        connection.connect(socket_path(settings.SPEECH_DIRECTORY, name))
    except BaseException:
        connection.close()
        raise
    return connection


def _is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def synthesize(
    engine: str, request: Mapping[str, object]
) -> Generator[tuple[bytes, bytes]]:
    """Yield the frames of an engine's answer as they arrive; closing it ends the task.

    A frame is its kind, one letter, and its content; the engine's program says which there
    are. The last one, `.`, is not yielded.

    Raises:
        ProviderError: the engine failed, crashed or didn't answer in time.
    """
    content = json.dumps(request).encode()
    try:
        with _service.connect(engine) as task:
            task.sendall(struct.pack("<cI", b"?", len(content)) + content)
            with task.makefile("rb") as stream:
                yield from _frames(stream)
    except TimeoutError as error:
        _service.replace_engines()
        raise ProviderError(Failure.TIMEOUT, "the engine does not answer") from error
    except OSError as error:
        raise ProviderError(Failure.DOWN, f"no engine: {error}") from error


def _frames(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while header := stream.read(5):
        if len(header) < 5:
            break
        kind, length = struct.unpack("<cI", header)
        content = stream.read(length)
        if len(content) < length:
            break
        if kind == b".":
            return
        if kind == b"X":
            raise ProviderError(Failure.DOWN, content.decode())
        yield kind, content
    raise ProviderError(Failure.DOWN, "the engine crashed")
