"""The embedded services: real ones, in homes of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis as Client

from config.embedded import ownership, paths, postgres
from config.embedded.children import StartFailed, spawn
from config.embedded.ownership import owned
from config.embedded.postgres import Postgres
from config.embedded.redis import Redis

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as the first start makes it."""
    home = tmp_path_factory.mktemp("initialised")
    with owned(home) as lock, serving(Postgres(home, lock)):
        pass
    return home / "postgres"


@pytest.fixture
def home(tmp_path: Path, initialised: Path) -> Path:
    shutil.copytree(initialised, tmp_path / "home" / "postgres")
    return tmp_path / "home"


@contextlib.contextmanager
def serving(service: Postgres | Redis) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        service.stop()


def connect(server: Postgres) -> psycopg.Connection:
    return psycopg.connect(
        host=str(server.sockets),
        user=paths.USER,
        dbname=paths.DATABASE,
        autocommit=True,
    )


# --- Paths ---------------------------------------------------------------------------


def test_sockets_lie_in_the_home(tmp_path):
    assert paths.socket_directory(tmp_path) == tmp_path.resolve() / "run"


@pytest.mark.parametrize("name", ["x" * 90, "a,b", "with space", "100%", "ö"])
def test_sockets_lie_elsewhere_if_the_home_does_not_fit_an_address(tmp_path, name):
    found = paths.socket_directory(tmp_path / name)
    assert found.parent == Path("/tmp")
    assert len(os.fsencode(found / ".s.PGSQL.5432.lock")) <= 103
    assert found == paths.socket_directory(tmp_path / name)
    assert found != paths.socket_directory(tmp_path / "another" / name)


# --- The lock of a home --------------------------------------------------------------


def test_a_home_is_used_by_one_installation(tmp_path):
    with owned(tmp_path):
        message = rf"^Ozvena already runs in {tmp_path} \(process {os.getpid()}\)\.$"
        with pytest.raises(StartFailed, match=message), owned(tmp_path):
            pass
    with owned(tmp_path):
        pass


def test_the_next_owner_waits_for_the_children_of_a_killed_one(tmp_path):
    with owned(tmp_path) as lock, open(os.devnull, "wb") as nowhere:
        child = spawn(
            ["sleep", "0.5"],
            on_parent_death=signal.SIGKILL,
            output=nowhere.fileno(),
            inherit=[lock],
        )
    with owned(tmp_path):
        assert child.wait(0) == 0


def test_children_that_do_not_end_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "_PATIENCE", 0.1)
    with owned(tmp_path) as lock, open(os.devnull, "wb") as nowhere:
        child = spawn(
            ["sleep", "60"],
            on_parent_death=signal.SIGKILL,
            output=nowhere.fileno(),
            inherit=[lock],
        )
    with (
        pytest.raises(StartFailed, match="still alive; end them first"),
        owned(tmp_path),
    ):
        pass
    child.kill()
    child.wait()


def test_a_home_that_is_a_file_is_reported(tmp_path):
    home = tmp_path / "file"
    home.touch()
    with (
        pytest.raises(StartFailed, match=rf"^{home} can't be used: File exists\.$"),
        owned(home),
    ):
        pass


def test_the_directory_of_the_sockets_is_private(tmp_path):
    with owned(tmp_path):
        assert paths.socket_directory(tmp_path).stat().st_mode & 0o777 == 0o700


# --- PostgreSQL ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "with, 100 % \"odd\" 'signs' $x"])
def test_postgres_keeps_what_it_was_given(home, name):
    home = home.rename(home.with_name(name))
    with owned(home) as lock:
        server = Postgres(home, lock)
        with serving(server), connect(server) as connection:
            connection.execute("CREATE TABLE kept (text text)")
            connection.execute("INSERT INTO kept VALUES ('ÄÖ')")
        assert not server.is_ready()
        with serving(server), connect(server) as connection:
            found = connection.execute("SELECT lower(text) FROM kept").fetchall()
            assert found == [("äö",)]


def test_postgres_recovers_from_a_kill_though_its_number_is_another_process(home):
    with owned(home) as lock:
        server = Postgres(home, lock)
        with serving(server), connect(server) as connection:
            connection.execute("CREATE TABLE kept (number int)")
            connection.execute("INSERT INTO kept VALUES (1)")
            assert server.process is not None
            server.process.kill()
            server.process.wait()
        # What a restarted container looks like: the lock files name a process that
        # lives, and it is not ours.
        socket = server.sockets / ".s.PGSQL.5432.lock"
        for file in (server.data / "postmaster.pid", socket):
            lines = file.read_text().splitlines()
            file.write_text("\n".join(["1", *lines[1:]]) + "\n")
        with serving(server), connect(server) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_a_killed_initialisation_leaves_no_half_database(tmp_path):
    (tmp_path / "postgres.unfinished").mkdir(parents=True)
    (tmp_path / "postgres.unfinished" / "PG_VERSION").write_text("18")
    with owned(tmp_path) as lock:
        server = Postgres(tmp_path, lock)
        with serving(server), connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not (tmp_path / "postgres.unfinished").exists()


def test_postgres_ends_with_whoever_started_it(home):
    script = f"""
import pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from config.embedded.ownership import owned
from config.embedded.postgres import Postgres
home = pathlib.Path({str(home)!r})
with owned(home) as lock:
    server = Postgres(home, lock)
    server.start()
    print(server.process.pid, flush=True)
    input()
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    assert int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    with owned(home) as lock:  # waits until every process of it is gone
        server = Postgres(home, lock)
        with serving(server), connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_broken_data_directory_is_reported(tmp_path):
    (tmp_path / "postgres").mkdir(parents=True)
    (tmp_path / "postgres" / "PG_VERSION").write_text("7.4")
    with owned(tmp_path) as lock:
        server = Postgres(tmp_path, lock)
        message = (
            rf"^PostgreSQL did not start: it ended with code 2; see {server.log}\.$"
        )
        with pytest.raises(StartFailed, match=message):
            server.start()


def test_missing_postgres_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        owned(tmp_path) as lock,
        pytest.raises(
            StartFailed, match="PostgreSQL is not installed here; set DATABASE_"
        ),
    ):
        Postgres(tmp_path, lock).start()


@pytest.fixture
def without_namespaces(monkeypatch):
    """Root in a container that forbids user namespaces."""
    if os.geteuid() != 0:
        pytest.skip("only root needs another account")
    real = subprocess.run

    def run(command, **options):
        if command[0] == "unshare":
            return subprocess.CompletedProcess(command, 1)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    postgres._account.cache_clear()
    yield
    postgres._account.cache_clear()


def test_without_namespaces_root_runs_postgres_as_nobody(
    without_namespaces, initialised
):
    if not all(
        parent.stat().st_mode & 0o001 for parent in postgres.binary("postgres").parents
    ):
        pytest.skip("nobody can't reach the server's program here")
    # Pytest's own directories are closed to nobody.
    with tempfile.TemporaryDirectory(prefix="ozvena-test-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        shutil.copytree(initialised, home / "postgres")
        with owned(home) as lock:
            server = Postgres(home, lock)
            with serving(server), connect(server) as connection:
                connection.execute("CREATE TABLE kept (number int)")
                redis = Redis(home, lock)
                with serving(redis):
                    assert redis.is_ready()
            assert server.data.stat().st_uid != 0
            assert server.data.stat().st_mode & 0o777 == 0o700
            with serving(server), connect(server) as connection:
                assert connection.execute("SELECT count(*) FROM kept").fetchone() == (
                    0,
                )


def test_what_nobody_can_not_reach_is_told(without_namespaces, tmp_path, monkeypatch):
    hidden = tmp_path / "hidden"
    shutil.copytree(postgres.binary("postgres").parent, hidden / "bin")
    hidden.chmod(0o700)
    monkeypatch.setattr(postgres, "binary", lambda name: hidden / "bin" / name)
    with (
        owned(tmp_path / "home") as lock,
        pytest.raises(StartFailed, match=rf"the user `nobody` can't reach {hidden}"),
    ):
        Postgres(tmp_path / "home", lock).start()


# --- Redis ---------------------------------------------------------------------------


def test_redis_serves_on_its_socket_and_keeps_nothing(tmp_path):
    with owned(tmp_path) as lock:
        server = Redis(tmp_path, lock)
        with serving(server):
            client = Client(unix_socket_path=str(server.socket))
            assert client.set("key", "value") is True
            assert client.config_get("appendonly") == {"appendonly": "no"}
            assert client.config_get("save") == {"save": ""}
            client.close()
        assert not server.is_ready()
        with serving(server):
            assert server.is_ready()
            assert Client(unix_socket_path=str(server.socket)).get("key") is None


def test_redis_starts_over_the_socket_of_a_killed_one(tmp_path):
    with owned(tmp_path) as lock:
        server = Redis(tmp_path, lock)
        server.start()
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        assert server.socket.exists()
        with serving(server):
            assert server.is_ready()


def test_missing_redis_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with (
        owned(tmp_path) as lock,
        pytest.raises(StartFailed, match=r"^redis-server is missing; install Redis"),
    ):
        Redis(tmp_path, lock).start()
