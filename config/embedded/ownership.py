"""Who may serve a home directory: one installation at a time.

Two locks, since a run that was killed may still have children: the one says that somebody
serves the home, the other is inherited by the children and so is free exactly when
nothing of an earlier run is left. The kernel releases both, however a process ends.
"""

import fcntl
import os
import shutil
import time
from pathlib import Path

from config.embedded import paths
from config.embedded.children import StartFailed

_PATIENCE = 20.0  # seconds for the children of a killed run to end


def own(home: Path) -> int:
    """Own `home`, made if need be, as long as this process lives.

    The directory of its sockets is made anew, for this account alone.
    Returns a descriptor to be inherited by all children: they hold the home as well, and
    the next owner waits until they have ended.

    Raises:
        StartFailed: another process serves `home`, or it can't be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        ours = _open(home / "up.lock")
        shared = _open(home / "children.lock")
    except OSError as error:
        raise StartFailed(f"{home} can't be used: {error.strerror}.") from error
    if not _locked(ours):
        holder = os.pread(ours, 20, 0).decode()
        raise StartFailed(f"Ozvena already runs in {home} (process {holder}).")
    os.ftruncate(ours, 0)
    os.pwrite(ours, str(os.getpid()).encode(), 0)
    deadline = time.monotonic() + _PATIENCE
    while not _locked(shared):
        if time.monotonic() > deadline:
            raise StartFailed(
                f"Processes of an earlier run in {home} are still alive; end them first."
            )
        time.sleep(0.05)
    sockets = paths.socket_directory(home)
    shutil.rmtree(sockets, ignore_errors=True)
    try:
        sockets.mkdir(mode=0o700)
    except OSError as error:  # in /tmp it may be another user's
        raise StartFailed(f"{sockets} can't be made: {error.strerror}.") from error
    return shared


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
