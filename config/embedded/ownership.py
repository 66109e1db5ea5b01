"""Lock a home directory, so that only one installation uses it at a time.

There are two locks, because the children of a killed run may still be alive. The first one
is held by the running supervisor. The second one is inherited by its children, so it is
free only after all of them have ended. The kernel releases both when a process ends.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from config.embedded import paths
from config.embedded.children import StartFailed

_PATIENCE = 20.0  # seconds for the children of a killed run to end


@contextlib.contextmanager
def owned(home: Path) -> Iterator[int]:
    """Lock `home` while the block runs; create it if it is missing.

    The directory of its sockets is created again, private to this account. Yields a
    descriptor that all children have to inherit: they hold a lock too, and the next run
    waits until they have ended.

    Raises:
        StartFailed: another process uses `home`, or it is not writable.
    """
    with contextlib.ExitStack() as held:
        try:
            home.mkdir(parents=True, exist_ok=True)
            ours = held.enter_context(_open(home / "up.lock"))
            shared = held.enter_context(_open(home / "children.lock"))
        except OSError as error:
            raise StartFailed(f"{home} can't be used: {error.strerror}.") from error
        if not _locked(ours):
            holder = ours.read(20).decode()
            raise StartFailed(f"Ozvena already runs in {home} (process {holder}).")
        ours.truncate(0)
        ours.write(str(os.getpid()).encode())
        deadline = time.monotonic() + _PATIENCE
        while not _locked(shared):
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"Processes of an earlier run in {home} are still alive; "
                    "end them first."
                )
            time.sleep(0.05)
        sockets = paths.socket_directory(home)
        shutil.rmtree(sockets, ignore_errors=True)
        try:
            sockets.mkdir(mode=0o700)
        except OSError as error:  # in /tmp it may be another user's
            raise StartFailed(f"{sockets} can't be made: {error.strerror}.") from error
        try:
            yield shared.fileno()
        finally:
            shutil.rmtree(sockets, ignore_errors=True)


def _open(file: Path) -> IO[bytes]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return open(descriptor, "r+b", buffering=0)


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
