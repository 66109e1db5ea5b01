"""Real processes of ours for tests: workers and the dispatcher, on the test database."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import connection

from config.embedded import children

PYTHON = [sys.executable]

# What the test run, or a developer, has set for itself is not for these.
_FOREIGN = {
    *("DATABASE_URL", "BROKER_URL", "CACHE_URL", "STORAGE_URL", "EMBEDDED_DATABASE"),
    *("BASE_URL", "ALLOWED_HOSTS", "HOST", "OZVENA_DEVELOPMENT"),
    *("SECRET_KEY", "ENCRYPTION_KEYS", "OZVENA_HOME"),
}


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


def command(
    *arguments: str,
    program: Sequence[str] = (*PYTHON, "manage.py"),
    **variables: str,
) -> subprocess.Popen[str]:
    """Start manage.py, or another program, with an environment of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return subprocess.Popen(
        [*program, *arguments],
        cwd=settings.BASE_DIR,
        env=kept | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A run in the background ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
