"""The database is killed and comes back; requests get a clear answer, then are served.

`make test-system` kills it once, `make chaos` more often (CHAOS_KILLS).
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from config import secret_key
from config.embedded import children, ownership, paths
from config.embedded.postgres import Postgres

pytestmark = pytest.mark.system

KILLS = int(os.environ.get("CHAOS_KILLS", "1"))
CLIENTS = 16
WEB = "-m gunicorn --config config/processes/gunicorn.py config.wsgi".split()
SERVED_AFTER = 3.0  # seconds after the database accepts connections


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL server for this test, with all tables."""
    home = Path(tempfile.mkdtemp(prefix="ozvena-chaos-"))
    with ownership.owned(home) as lock:
        started = Postgres(home, lock)
        secret_key.make(home, "ENCRYPTION_KEYS")
        started.start()
        try:
            command = [sys.executable, "manage.py", "migrate", "-v", "0"]
            subprocess.run(
                command, cwd=settings.BASE_DIR, env=_environment(home), check=True
            )
            yield started
        finally:
            started.stop()
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(paths.socket_directory(home), ignore_errors=True)


def test_requests_are_served_soon_after_the_database_is_back(server: Postgres) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    web = children.spawn(
        [sys.executable, *WEB],
        on_parent_death=signal.SIGKILL,
        output=subprocess.DEVNULL,
        environment=_environment(server.data.parent) | {"PORT": str(port)},
        directory=settings.BASE_DIR,
    )
    clients = _Clients(f"http://127.0.0.1:{port}/api/v1/voices")
    try:
        clients.wait_until_served(time.monotonic() + 60)
        clients.start()
        for _ in range(KILLS):
            time.sleep(1)  # of normal service, so that the pools are full
            assert server.process
            clients.is_killed()
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(60)
            time.sleep(1.5)  # of outage
            server.start()
            clients.is_back()
            time.sleep(SERVED_AFTER + 2)
        clients.stop()
    finally:
        children.stop(web, signal.SIGKILL, 10)

    sys.stdout.write(
        f"{KILLS} kills, {CLIENTS} clients: {len(clients.answers)} answers, "
        f"{len(clients.refused())} refused, the last one "
        f"{clients.seconds_to_service():.1f} s after the database was back; the slowest "
        f"answer took {clients.slowest():.1f} s\n"
    )
    assert {status for status, *_ in clients.answers} == {200, 503}
    for _, code, retry_after, *_ in clients.refused():
        assert (code, retry_after) == ("unavailable", "2")
    assert clients.seconds_to_service() <= SERVED_AFTER


class _Clients:
    """Threads that ask again and again, and what they were answered and when."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        self._killed: list[float] = []
        self._back: list[float] = []
        # status, code, Retry-After, when it was sent and answered
        self.answers: list[tuple[int, str, str | None, float, float]] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def is_killed(self) -> None:
        """Note that the database is killed now."""
        self._killed.append(time.monotonic())

    def is_back(self) -> None:
        """Note that the database accepts connections from now on."""
        self._back.append(time.monotonic())

    def wait_until_served(self, until: float) -> None:
        while True:
            try:
                if self._get()[0] == 200:
                    return
            except OSError:
                pass
            assert time.monotonic() < until, self._get()
            time.sleep(0.1)

    def refused(self) -> list[tuple[int, str, str | None, float, float]]:
        return [answer for answer in self.answers if answer[0] != 200]

    def seconds_to_service(self) -> float:
        """Return the longest time from the database's return to the last bad answer."""
        longest = 0.0
        next_kills = [*self._killed[1:], float("inf")]
        for back, until in zip(self._back, next_kills, strict=True):
            late = [a[4] - back for a in self.refused() if back < a[4] < until]
            longest = max([longest, *late])
        return longest

    def slowest(self) -> float:
        return max(answered - sent for *_, sent, answered in self.answers)

    def _ask(self) -> None:
        while not self._stopped.is_set():
            sent = time.monotonic()
            answer = self._get()
            self.answers.append((*answer, sent, time.monotonic()))
            time.sleep(0.02)

    def _get(self) -> tuple[int, str, str | None]:
        try:
            with urllib.request.urlopen(self._address, timeout=60) as answer:
                answer.read()
                return answer.status, "", None
        except urllib.error.HTTPError as refusal:
            code = json.load(refusal)["code"]
            return refusal.code, code, refusal.headers["Retry-After"]


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "EMBEDDED_DATABASE"}
    return kept | {"OZVENA_HOME": str(home), "RATE_OTHER": "100000/s"}
