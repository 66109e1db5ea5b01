"""Real processes of ours for tests: workers and the dispatcher, on the test database."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from config.embedded import children


def environment() -> dict[str, str]:
    """Return an environment in which our commands use the test database and broker."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "EMBEDDED_DATABASE": connection.settings_dict["NAME"],
    }


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start one of our Python commands in a process group of its own."""
    return children.spawn(
        [sys.executable, *command],
        # Not even a test run that is killed itself leaves them behind.
        on_parent_death=signal.SIGKILL,
        output=subprocess.DEVNULL,
        environment=environment(),
        directory=settings.BASE_DIR,
    )


def start_worker(
    queues: str = "local,remote", *, pool: str = "prefork", slots: int = 2
) -> subprocess.Popen[bytes]:
    """Start a Celery worker."""
    return start(
        *("-m", "celery", "-A", "config", "worker", "-Q", queues, "-P", pool),
        *("-c", str(slots), "--without-gossip", "--without-mingle", "-l", "ERROR"),
    )


def start_dispatcher() -> subprocess.Popen[bytes]:
    """Start the dispatcher."""
    return start("manage.py", "dispatch")


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything that it started, without warning."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def running(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """End `processes` when the block does."""
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                kill(process)
