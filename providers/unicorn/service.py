"""The speech service of a machine: one program that runs the engines for all processes.

Run as `python -m providers.unicorn.service DIRECTORY [--stay]`. In DIRECTORY, which belongs
to this account alone, are its sockets:

- `<engine>.sock`: each connection is one task of that engine. The engine's own processes
  accept it; nothing is in between. The service keeps the socket open, so that tasks wait,
  and are not refused, while an engine starts.
- `speech.sock`: every process that uses the service keeps a connection there. Without
  `--stay`, the service ends when the last one has closed, also by the death of its owner.
  A byte `r` asks for new engine processes, since the present ones don't answer.

An engine's program gets the number of its listening socket as its last argument, and on
its standard input a connection that closes when the service ends. A program that ends is
started again. Only one service runs in a directory: a second one ends at once, or with
`--stay` waits for its turn.
"""

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from providers.unicorn.engines import Engine, installed

CONTROL = "speech"
_BACKLOG = 512
_FIRST_CLIENT = 30.0  # seconds; without a client by then, the service ends
_LAST_CLIENT = 2.0  # seconds after the last client, for another one
_QUICK = 5.0  # seconds; a program that ends sooner has failed at its start
_PAUSES = (
    1.0,
    30.0,
)  # seconds before such a program is started again, at first and most


def socket_path(directory: Path, name: str) -> str:
    """Return the path of the socket of an engine, or of the service itself."""
    return str(directory / f"{name}.sock")


@dataclass
class _Program:
    """An engine's program, and the socket on which it accepts tasks."""

    engine: Engine
    listener: socket.socket
    process: subprocess.Popen[bytes] | None = None
    lifeline: socket.socket | None = None
    started: float = 0.0
    start_at: float = field(default_factory=time.monotonic)
    pause: float = 0.0

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*self.engine.command(), str(self.listener.fileno())],
                stdin=theirs.fileno(),
                pass_fds=[self.listener.fileno()],
                # The same audio in every environment; one thread for each process.
                env={
                    "LC_ALL": "C.UTF-8",
                    "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                    "ENGINE_PROCESSES": os.environ.get("ENGINE_PROCESSES", ""),
                    # So that its processes are found by it, as all others of ours.
                    "OZVENA_HOME": os.environ.get("OZVENA_HOME", ""),
                },
            )
        self.lifeline = ours
        self.started = time.monotonic()

    def kill(self) -> None:
        """Kill the program, but no task that it runs in a fork."""
        if self.process is not None:
            self.process.kill()

    def look(self) -> None:
        """Start the program if it isn't running and its time has come."""
        if self.process is not None and self.process.poll() is not None:
            assert self.lifeline is not None
            self.lifeline.close()
            is_killed = self.process.returncode == -signal.SIGKILL
            if is_killed or time.monotonic() - self.started >= _QUICK:
                self.pause = 0.0
            else:
                self.pause = min(max(2 * self.pause, _PAUSES[0]), _PAUSES[1])
            self.process = None
            self.start_at = time.monotonic() + self.pause
        if self.process is None and time.monotonic() >= self.start_at:
            self.start()


def main() -> None:
    """Serve until a signal or until the last client is gone; then end every process."""
    directory, stays = Path(sys.argv[1]), "--stay" in sys.argv[2:]
    if os.getpid() != os.getpgid(0):
        os.setpgid(0, 0)  # ends as a group
    lock = (directory / "speech.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if stays else fcntl.LOCK_NB))
    except BlockingIOError:
        return  # another one serves
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    try:
        _serve(directory, stays=stays)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for name in (CONTROL, *(engine.name for engine in installed())):
            with contextlib.suppress(OSError):
                os.unlink(socket_path(directory, name))
        lock.close()
        os.killpg(0, signal.SIGKILL)


def _serve(directory: Path, *, stays: bool) -> None:
    programs = [
        _Program(engine, _listen(directory, engine.name)) for engine in installed()
    ]
    for program in programs:
        program.look()
    # Last, since clients take the other sockets to exist if this one does.
    control = _listen(directory, CONTROL)
    control.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    alarm, waker = os.pipe()
    os.set_blocking(alarm, False)
    os.set_blocking(waker, False)
    selector.register(alarm, selectors.EVENT_READ)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    clients: set[socket.socket] = set()
    ends_at = time.monotonic() + _FIRST_CLIENT
    while stays or clients or time.monotonic() < ends_at:
        for key, _ in selector.select(0.5):
            if key.fileobj == alarm:
                with contextlib.suppress(BlockingIOError):
                    os.read(alarm, 4096)
            elif key.fileobj is control:
                with contextlib.suppress(BlockingIOError):
                    client, _address = control.accept()
                    client.setblocking(False)
                    clients.add(client)
                    selector.register(client, selectors.EVENT_READ)
            else:
                assert isinstance(key.fileobj, socket.socket)
                if not _heard(key.fileobj, programs):
                    selector.unregister(key.fileobj)
                    clients.discard(key.fileobj)
                    key.fileobj.close()
                    ends_at = time.monotonic() + _LAST_CLIENT
        for program in programs:
            program.look()


def _heard(client: socket.socket, programs: list[_Program]) -> bool:
    """Do what a client asks for; return False if it is gone."""
    try:
        asked = client.recv(16)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if asked:
        for program in programs:
            program.kill()
    return bool(asked)


def _listen(directory: Path, name: str) -> socket.socket:
    path = socket_path(directory, name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of a service that was killed: we have the lock
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(_BACKLOG)
    return listener


if __name__ == "__main__":
    main()
