"""Start and stop child processes that end with their parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class StartFailed(Exception):
    """A process could not be started; the message is one line for the operator."""


def signal_on_parent_death(signal_number: int) -> None:
    """Ask the kernel to signal this process when its parent is gone. Linux only.

    The parent's *thread* counts: children must be started by one that stays.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal_number)


def _prepare(signal_number: int, parent: int) -> Callable[[], None]:
    def prepare() -> None:
        # A shell's background job ignores SIGINT, and so would everything below it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal_on_parent_death(signal_number)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return prepare


def spawn(
    command: Sequence[str | Path],
    *,
    on_parent_death: signal.Signals,
    output: int,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    inherit: Sequence[int] = (),
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches only the parent.

    `output` is the descriptor for its output, `inherit` are descriptors that stay open in
    it, and `user` is the account under which it runs if we are root.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=directory,
        pass_fds=inherit,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        preexec_fn=_prepare(on_parent_death, os.getpid()),
    )


def wait_until(
    is_ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    *,
    timeout: float,
    failure: Callable[[str], str],
) -> None:
    """Wait until a service is ready; stop `process` after `timeout` seconds.

    Raises:
        StartFailed: it ended, or was not ready in time. `failure` returns the message for a
            reason.
    """
    deadline = time.monotonic() + timeout
    while not is_ready():
        if process.poll() is not None:
            raise StartFailed(failure(f"it ended with code {process.returncode}"))
        if time.monotonic() > deadline:
            stop(process, signal.SIGTERM, 5)
            raise StartFailed(failure(f"it was not ready after {timeout:.0f} s"))
        time.sleep(0.01)


def stop(
    process: subprocess.Popen[bytes], signal_number: signal.Signals, timeout: float
) -> bool:
    """Stop `process` by a signal, and kill it and its children after `timeout` seconds.

    Returns whether it stopped before it was killed.
    """
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()
        return False
    kill_group(process)
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill `process` and all processes that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
