"""Real processes of ours for tests: web, workers and dispatcher, on the test database."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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


def start(*command: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start one of our Python commands in a process group of its own.

    `variables` are added to its environment.
    """
    return children.spawn(
        [sys.executable, *command],
        # Not even a test run that is killed itself leaves them behind.
        on_parent_death=signal.SIGKILL,
        output=subprocess.DEVNULL,
        environment=environment() | variables,
        directory=settings.BASE_DIR,
    )


def start_worker(
    queues: str = "local,remote,files", *, pool: str = "prefork", slots: int = 2
) -> subprocess.Popen[bytes]:
    """Start a Celery worker."""
    return start(
        *("-m", "celery", "-A", "config", "worker", "-Q", queues, "-P", pool),
        *("-c", str(slots), "--without-gossip", "--without-mingle", "-l", "ERROR"),
    )


def start_dispatcher() -> subprocess.Popen[bytes]:
    """Start the dispatcher."""
    return start("manage.py", "dispatch")


@dataclass(frozen=True)
class Web:
    """Gunicorn, with our configuration."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pids(self) -> list[int]:
        """Return the ids of its worker processes."""
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def wait(self) -> None:
        """Wait until it responds."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def start_web(**variables: str) -> Web:
    """Start gunicorn on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    process = start(
        *("-m", "gunicorn", "--config", "config/processes/gunicorn.py"),
        *("--log-level", "error", "config.wsgi"),
        PORT=str(port),
        OZVENA_HOME=str(settings.OZVENA_HOME),
        **variables,
    )
    return Web(process, port)


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
