"""Pytest plugin: a throwaway PostgreSQL and Redis for the test run.

Loaded by `-p tests.services`, before Django reads its settings. The process that starts
the run owns the services; parallel workers share them, each with a database of its own.
"""

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from config import secret_key
from config.embedded import ownership, paths
from config.embedded.postgres import Postgres
from config.embedded.redis import Redis

_VARIABLES = ("DATABASE_URL", "BROKER_URL", "CACHE_URL", "STORAGE_URL", "BASE_URL")


def _start() -> None:
    # Compiled once, not by each process: pytest's part in it alone takes 5 s.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    for name in _VARIABLES:  # a developer's own environment must not leak in
        os.environ.pop(name, None)
    home = Path(tempfile.mkdtemp(prefix="ozvena-test-"))
    (home / "static").mkdir()  # or the web server warns at each start
    os.environ["OZVENA_HOME"] = str(home)
    os.environ["SECRET_KEY"] = "for tests only"
    os.environ["OZVENA_DEVELOPMENT"] = "1"
    held = ExitStack()
    lock = held.enter_context(ownership.owned(home))
    secret_key.make(home, "ENCRYPTION_KEYS")
    services = (Postgres(home, lock, throwaway=True), Redis(home, lock))

    def stop() -> None:
        for service in reversed(services):
            service.stop()
        held.close()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(paths.socket_directory(home), ignore_errors=True)

    atexit.register(stop)
    for service in services:
        service.start()


if "PYTEST_XDIST_WORKER" not in os.environ:
    _start()
else:
    # Redis has numbered databases; 0 and 1 are the controller's.
    number = 2 + 2 * int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    home = Path(os.environ["OZVENA_HOME"])
    socket = paths.redis_socket(home)
    os.environ["CACHE_URL"] = f"unix://{socket}?db={number}"
    os.environ["BROKER_URL"] = f"redis+socket://{socket}?virtual_host={number + 1}"
