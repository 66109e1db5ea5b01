"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class StartFailed(Exception):
    """A child could not be started; the message is one line for a person."""


def die_with_parent(signal_number: int) -> Callable[[], None] | None:
    """Return a `preexec_fn` that asks the kernel to signal the child when we are gone.

    Linux only; elsewhere None, and the supervisor stops its children itself.
    """
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return prepare


def spawn(
    command: Sequence[str | Path],
    *,
    on_parent_death: signal.Signals = signal.SIGTERM,
    environment: dict[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches only us."""
    return subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=directory,
        start_new_session=True,
        preexec_fn=die_with_parent(on_parent_death),
    )


def stop(
    process: subprocess.Popen[bytes], signal_number: signal.Signals, timeout: float
) -> bool:
    """Ask `process` to stop and wait; kill it after `timeout` seconds.

    Returns whether it stopped by itself.
    """
    if process.poll() is not None:
        return True
    process.send_signal(signal_number)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
