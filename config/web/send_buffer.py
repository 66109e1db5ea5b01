"""The bytes of a response that wait until the client reads them."""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_WAITING = 1024 * 1024
"""Bytes that may wait in memory before the thread that produces more has to wait too."""
_BLOCK = 256 * 1024  # bytes handed to the kernel at once
_MAX_FLUSH = 4 * _BLOCK  # bytes sent to one client before the next one has its turn


class _FilePart(NamedTuple):
    descriptor: int
    offset: int
    length: int


class SendBuffer:
    """Replaces the client's socket in a thread: writing does not wait for the client.

    What the socket's buffer does not take at once is sent by the main loop; `wake` tells it
    to start. The methods are those of a socket that gunicorn calls.
    """

    def __init__(self, client: socket.socket, wake: Callable[[], object]) -> None:
        self.sent = 0  # bytes so far
        self.is_broken = False  # the client disconnected, or was too slow
        self._client = client
        self._wake = wake
        self._parts: deque[memoryview | _FilePart] = deque()
        self._waiting = 0  # bytes in memory
        self._changed = threading.Condition()

    def __bool__(self) -> bool:
        """Return whether bytes are waiting."""
        return bool(self._parts)

    def sendall(self, data: bytes) -> None:
        """Send `data`, or queue it for the main loop.

        Raises:
            BrokenPipeError: the client disconnected, or was too slow.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting < MAX_WAITING or self.is_broken
            )
            if self.is_broken:
                raise BrokenPipeError
            left = memoryview(data)
            while left and not self._parts and (done := self._send(left)):
                left = left[done:]
            if left:
                self._append(left)
                self._waiting += len(left)

    send = sendall

    def sendfile(self, file: Any, *, offset: int, count: int) -> None:
        """Queue a part of an open file for the main loop.

        Raises:
            BrokenPipeError: the client disconnected, or was too slow.
        """
        with self._changed:
            if self.is_broken:
                raise BrokenPipeError
            self._append(_FilePart(os.dup(file.fileno()), offset, count))

    def flush(self) -> None:
        """Send what the socket's buffer takes now, without waiting.

        Raises:
            OSError: the client disconnected.
        """
        with self._changed:
            until = self.sent + _MAX_FLUSH
            while self._parts and self.sent < until:
                part = self._parts[0]
                if isinstance(part, _FilePart):
                    done = self._send_file(part)
                else:
                    done = self._send(part)
                    self._waiting -= done
                    self._parts[0] = part[done:]
                    if done == len(part):
                        self._parts.popleft()
                if not done:
                    break
            self._changed.notify_all()

    def abort(self) -> None:
        """Discard what waits; later writes raise BrokenPipeError."""
        with self._changed:
            self.is_broken = True
            for part in self._parts:
                if isinstance(part, _FilePart):
                    os.close(part.descriptor)
            self._parts.clear()
            self._changed.notify_all()

    def gettimeout(self) -> float:
        """Return 0: writing does not wait."""
        return 0.0

    def shutdown(self, how: int) -> None:
        """Raise OSError: only the main loop closes the socket, after sending everything."""
        raise OSError

    def close(self) -> None:
        """Do nothing: only the main loop closes the socket."""

    def _append(self, part: memoryview | _FilePart) -> None:
        self._parts.append(part)
        if len(self._parts) == 1:
            self._wake()

    def _send(self, data: memoryview) -> int:
        try:
            done = self._client.send(data[:_BLOCK])
        except BlockingIOError:
            return 0
        self.sent += done
        return done

    def _send_file(self, part: _FilePart) -> int:
        try:
            done = os.sendfile(
                self._client.fileno(),
                part.descriptor,
                part.offset,
                min(part.length, _BLOCK),
            )
        except BlockingIOError:
            return 0
        self.sent += done
        if done in (0, part.length):  # 0: the file is shorter than expected
            os.close(part.descriptor)
            self._parts.popleft()
            if done < part.length:
                raise BrokenPipeError
        else:
            self._parts[0] = _FilePart(
                part.descriptor, part.offset + done, part.length - done
            )
        return done
