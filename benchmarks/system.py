"""Start the whole system for a benchmark: `manage.py up` in a temporary home."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import requests

_ROOT = Path(__file__).resolve().parent.parent
_START_TIMEOUT = 120  # seconds


class System:
    """A context manager: starts the system on entry, stops and removes it on exit.

    `start_seconds` is how long the start took.
    """

    def __init__(self, **environment: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ozvena-bench-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        unlimited = {"RATE_SYNTHESIS": "1000000/m", "RATE_OTHER": "1000000/m"}
        self.environment = (
            os.environ
            | unlimited
            | {"OZVENA_HOME": str(self.home), "PORT": str(self.port)}
            | environment
        )
        self.start_seconds = 0.0

    def __enter__(self) -> "System":
        began = time.perf_counter()
        self._log = (self.home / "up.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=_ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not self._is_ready():
            if self._process.poll() is not None:
                raise RuntimeError((self.home / "up.log").read_text()[-2000:])
            if time.perf_counter() - began > _START_TIMEOUT:
                raise TimeoutError("not ready")
            time.sleep(0.05)
        self.start_seconds = time.perf_counter() - began
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The id of the process that started all others."""
        return self._process.pid

    def command(self, *arguments: str) -> str:
        """Run a management command on this system and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def token(self, email: str = "bench@example.com") -> str:
        """Return an API token of a new customer with plenty of credits."""
        token = self.command("issue_token", email)
        self.command("grant", email, "100000000", "--reason", "benchmark")
        return token

    def _is_ready(self) -> bool:
        try:
            response = requests.get(f"{self.url}/health/ready", timeout=2)
        except requests.RequestException:
            return False
        return response.status_code == 200
