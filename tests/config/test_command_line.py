"""What a command says that can't do its work: a line, at once, and nothing is made."""

import socket
import subprocess
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.db.utils import OperationalError

from config import secret_key
from config.command_line import run
from tests.processes import PYTHON, command

KEYS = {"SECRET_KEY": "x" * 50, "ENCRYPTION_KEYS": f"a:{'A' * 43}="}
MAIL = "someone@example.com"
# A few, as each process costs a second of work.
NEED_A_DATABASE = [
    ["issue_token", MAIL],
    ["createsuperuser", "--email", MAIL, "--noinput"],
    ["verify_ledger"],
    ["shell", "-v", "0", "-c", "User.objects.count()"],
]
NEED_NOTHING = [
    ["check"],
    ["collectstatic", "--noinput", "--dry-run", "-v", "0"],
    ["issue_token", "--help"],
]


def outcome(process: subprocess.Popen[str]) -> tuple[list[str], int]:
    """Return the lines that a process prints, and its exit code."""
    return process.communicate(timeout=60)[0].splitlines(), process.returncode


@pytest.mark.slow("real processes, each of which loads Django")
def test_a_command_in_an_empty_home_says_that_nothing_runs_there(tmp_path):
    home = tmp_path / "home"
    begun = [command(*words, OZVENA_HOME=str(home)) for words in NEED_A_DATABASE]
    line = (
        f"Ozvena is not running in {home} (OZVENA_HOME). Start it with `make run`, "
        "or set OZVENA_HOME to the home of one that runs."
    )
    for words, process in zip(NEED_A_DATABASE, begun, strict=True):
        assert (words, *outcome(process)) == (words, [line], 1)
    assert not home.exists()


@pytest.mark.slow("real processes, each of which loads Django")
def test_a_server_that_can_not_be_reached_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        expected = {
            f"postgres://u:hidden@127.0.0.1:{port}/x": f"at 127.0.0.1, port {port}"
            " (DATABASE_URL) can't be used: it does not answer.",
            "postgres://u:hidden@127.0.0.1:1/x": "at 127.0.0.1, port 1"
            " (DATABASE_URL) can't be used: Connection refused.",
        }
        begun = [
            command("login_link", MAIL, DATABASE_URL=url, OZVENA_HOME=str(tmp_path))
            for url in expected
        ]
        for process, words in zip(begun, expected.values(), strict=True):
            assert outcome(process) == ([f"PostgreSQL {words}"], 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow("real processes, each of which loads Django")
def test_what_needs_neither_works_in_an_empty_home(tmp_path):
    home = tmp_path / "home"
    begun = [command(*words, OZVENA_HOME=str(home)) for words in NEED_NOTHING]
    for words, process in zip(NEED_NOTHING, begun, strict=True):
        lines, code = outcome(process)
        assert (words, code) == (words, 0), lines
    assert not home.exists()


@pytest.mark.slow("real processes, each of which loads Django")
def test_no_worker_starts_without_keys(tmp_path):
    home = tmp_path / "home"
    worker = ("-m", "celery", "-A", "config.celery", "worker")
    lines, code = outcome(command(*worker, program=PYTHON, OZVENA_HOME=str(home)))
    assert (lines[-1], code) == (f"Ozvena can't start: {missing(home)}", 1)
    assert not home.exists()


@pytest.mark.parametrize("name", ["dispatch", "release"])
def test_what_serves_does_not_start_without_keys(settings, tmp_path, name):
    settings.SECRET_KEY = secret_key.kept(tmp_path, "SECRET_KEY")
    with pytest.raises(ImproperlyConfigured) as refusal:
        call_command(name)
    assert str(refusal.value) == missing(tmp_path)


@pytest.mark.slow("real processes, each of which loads Django")
@pytest.mark.parametrize("keys", [{}, KEYS], ids=["no keys", "keys given"])
def test_the_web_makes_no_keys(tmp_path, keys):
    home = tmp_path / "home"
    load = ("-W", "ignore", "-c", "import config.wsgi")
    process = command(*load, program=PYTHON, OZVENA_HOME=str(home), **keys)
    lines, code = outcome(process)
    if keys:
        assert (lines, code) == ([], 0)
    else:
        error = "django.core.exceptions.ImproperlyConfigured"
        assert lines[-1] == f"{error}: {missing(home)}"
        assert code == 1
    assert not home.exists()


def missing(home: Path, setting: str = "SECRET_KEY", name: str = "secret-key") -> str:
    return (
        f"{setting} is not set, and OZVENA_HOME={home} holds no {name}. Set it, or start "
        "Ozvena there with `make run`, which makes one."
    )


def test_a_key_that_is_not_there_is_told_when_it_is_used(tmp_path):
    key = secret_key.kept(tmp_path, "ENCRYPTION_KEYS")
    for use in (str, bool, hash, lambda key: key.split(",")):
        with pytest.raises(ImproperlyConfigured) as refusal:
            use(key)
        text = missing(tmp_path, "ENCRYPTION_KEYS", "encryption-keys")
        assert str(refusal.value) == text
    assert list(tmp_path.iterdir()) == []


def test_keys_are_made_once_for_their_owner_alone(tmp_path):
    for setting, (name, _) in secret_key.FILES.items():
        (tmp_path / f".{name}").write_text("what a killed one has left")
        secret_key.make(tmp_path, setting)
        made = secret_key.kept(tmp_path, setting)
        secret_key.make(tmp_path, setting)
        assert secret_key.kept(tmp_path, setting) == made
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "encryption-keys",
        "secret-key",
    ]


def test_the_default_home_is_named(settings, monkeypatch, tmp_path):
    settings.OZVENA_HOME = tmp_path
    monkeypatch.delenv("OZVENA_HOME")
    assert run.refusal(OperationalError()) == (
        f"Ozvena is not running in {tmp_path} (OZVENA_HOME is not set). Start it with "
        "`make run`, or set OZVENA_HOME to the home of one that runs."
    )


@pytest.mark.django_db
def test_what_the_database_itself_says_is_no_matter_of_ours():
    with pytest.raises(OperationalError) as refused, connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)")
    assert run.refusal(refused.value) is None


@pytest.mark.slow("real processes, each of which loads Django")
def test_a_database_that_is_not_there_is_told_with_its_reason(settings):
    home = settings.OZVENA_HOME
    process = command(
        "verify_ledger", OZVENA_HOME=str(home), EMBEDDED_DATABASE="nowhere"
    )
    assert outcome(process) == (
        [
            f"PostgreSQL in {home} (OZVENA_HOME) can't be used: FATAL:  database "
            '"nowhere" does not exist.'
        ],
        1,
    )
