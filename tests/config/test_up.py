"""`manage.py up` with all processes, in homes of its own."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from config.embedded import paths
from tests.processes import command

pytestmark = pytest.mark.system

_CHECKOUT = settings.BASE_DIR


def processes_of(home: Path) -> dict[int, str]:
    """Return the command line of each process that runs for `home`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        # It may end while we look, or be another user's.
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().split(b"\0")
            if f"OZVENA_HOME={home}".encode() in variables:
                line = (process / "cmdline").read_text().replace("\0", " ")
                found[int(process.name)] = line
    return found


def wait_until_gone(home: Path) -> None:
    deadline = time.monotonic() + 20
    while left := processes_of(home):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def is_refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


class Installation:
    """A home, its port, and its running `manage.py up`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with taken_port() as port:
            self.port = port
        self.output: list[str] = []
        self.started: list[subprocess.Popen[str]] = []

    @property
    def process(self) -> subprocess.Popen[str]:
        return self.started[-1]

    def start(self, process: subprocess.Popen[str] | None = None) -> None:
        """Start it, or take `process`, and wait until it says that it is ready."""
        self.started.append(process or self.manage("up"))
        self.read_until(f"  Ozvena is ready: http://127.0.0.1:{self.port}/")

    @property
    def variables(self) -> dict[str, str]:
        return {"OZVENA_HOME": str(self.home), "PORT": str(self.port)}

    def manage(self, *arguments: str) -> subprocess.Popen[str]:
        return command(*arguments, **self.variables)

    def read_until(self, wanted: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            if self.output[-1] == wanted:
                return
        raise AssertionError("\n".join(self.output))

    def stop(self, number: signal.Signals) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        self.output += self.process.communicate(timeout=60)[0].splitlines()
        return self.process.returncode

    def get(self, path: str) -> object:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())

    def database(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(paths.socket_directory(self.home)),
            user=paths.USER,
            dbname=paths.DATABASE,
        )

    def pid_of(self, text: str) -> int:
        """Return the process whose command line holds `text`; there is one."""
        (pid,) = [pid for pid, line in processes_of(self.home).items() if text in line]
        return pid


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "home")
    yield installation
    for process in installation.started:
        process.kill()
        process.communicate()


def test_the_life_of_an_installation(installation):
    visible = {name for name in os.listdir(_CHECKOUT) if name[0] != "."}
    installation.start()
    assert installation.get("/health")["status"] == "ok"
    assert set(installation.get("/health/ready")["checks"].values()) == {"ok"}

    # A second one on the same home is refused, and does no harm.
    second = installation.manage("up")
    pid = installation.process.pid
    assert second.communicate(timeout=60)[0].splitlines() == [
        f"Ozvena stops: Ozvena already runs in {installation.home} (process {pid})."
    ]
    assert second.returncode == 1

    # A process that ends is restarted.
    os.kill(installation.pid_of("manage.py dispatch"), signal.SIGKILL)
    installation.read_until("dispatcher has ended (by SIGKILL); restarting it.")

    with installation.database() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    # Database and supervisor are killed at once, and take the others with them.
    os.kill(installation.pid_of("bin/postgres -D"), signal.SIGKILL)
    installation.process.kill()
    wait_until_gone(installation.home)
    # As after the restart of a container, where process ids start again.
    lock = installation.home / "postgres" / "postmaster.pid"
    lock.write_text("\n".join(["1", *lock.read_text().splitlines()[1:]]) + "\n")

    # The next start finds everything in its place, and stops when it is asked to.
    installation.start()
    with installation.database() as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]

    # While it finishes a request, it refuses new connections.
    address = ("127.0.0.1", installation.port)
    client = socket.create_connection(address, timeout=30)
    client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    installation.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 5
    while not is_refused(address):
        assert time.monotonic() < deadline
    client.sendall(b"\r\n")
    assert client.recv(15) == b"HTTP/1.1 200 OK"
    client.close()
    installation.output += installation.process.communicate(timeout=60)[0].splitlines()
    assert installation.process.returncode == 0
    assert installation.output[-1] == "Stopped."
    assert processes_of(installation.home) == {}
    assert {name for name in os.listdir(_CHECKOUT) if name[0] != "."} == visible


@pytest.mark.skipif(
    not (_CHECKOUT / ".venv" / "installed").exists() or not shutil.which("make"),
    reason="make would install into .venv first, from the network",
)
@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_signal_to_make_alone_stops_all(installation, kind):
    installation.start(command(program=["make"], **installation.variables))
    make, number = installation.process, signal.Signals[kind]
    file = _CHECKOUT / ".venv" / f"running-{make.pid}"
    assert file.read_text() == f"{make.pid}\n"
    up = installation.pid_of("manage.py up")
    assert os.getpgid(up) == os.getpgid(make.pid)

    make.send_signal(number)
    make.send_signal(number)  # as they do who are impatient: it leaves nothing behind
    installation.output += make.communicate(timeout=60)[0].splitlines()

    assert make.returncode == -number
    assert "Stopped." in installation.output
    wait_until_gone(installation.home)
    assert not file.exists()


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"OZVENA_HOME": "/dev/null/home"},
            "Ozvena stops: /dev/null/home can't be used: Not a directory.",
        ),
        ({"PORT": "http"}, "Ozvena can't start: PORT must be a whole number."),
        ({"PORT": "65536"}, "Ozvena stops: PORT=65536 is not a port."),
        (
            {"HOST": "192.0.2.1", "PORT": "8000"},  # RFC 5737: for documentation
            "Ozvena stops: can't listen on 192.0.2.1, port 8000: Cannot assign requested "
            "address. HOST and PORT choose another.",
        ),
        (
            {"DATABASE_URL": "sqlite:///x"},
            "Ozvena can't start: DATABASE_URL must name a PostgreSQL database.",
        ),
    ],
)
def test_an_unusable_setting_is_reported_in_one_line(tmp_path, variables, line):
    process = command("up", **({"OZVENA_HOME": str(tmp_path)} | variables))
    assert process.communicate(timeout=60)[0].splitlines() == [line]
    assert process.returncode == 1
    assert processes_of(tmp_path) == {}


def test_a_port_in_use_is_reported_in_one_line(tmp_path):
    with taken_port() as port:
        process = command("up", OZVENA_HOME=str(tmp_path), PORT=str(port))
        assert process.communicate(timeout=60)[0].splitlines() == [
            f"Ozvena stops: can't listen on 127.0.0.1, port {port}: Address already in "
            "use. HOST and PORT choose another."
        ]
    assert process.returncode == 1
    assert processes_of(tmp_path) == {}
