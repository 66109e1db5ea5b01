"""The database crashes repeatedly; no credit is lost or created.

`make test` runs a short form, `make chaos` the long one (CHAOS_OPERATIONS,
CHAOS_RESTARTS, CHAOS_CLIENTS). The server waits for its disk, as in production, so
confirmed operations must survive a crash.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from config.embedded import children, ownership, paths
from config.embedded.postgres import Postgres

pytestmark = pytest.mark.system

OPERATIONS = int(os.environ.get("CHAOS_OPERATIONS", "800"))
RESTARTS = int(os.environ.get("CHAOS_RESTARTS", "1"))
CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "4"))


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL server for this test, with all tables."""
    home = Path(tempfile.mkdtemp(prefix="ozvena-chaos-"))
    with ownership.owned(home) as lock:
        started = Postgres(home, lock)
        started.start()
        try:
            done = _run(home, "manage.py", "migrate", "-v", "0")
            assert done.returncode == 0, done.stderr
            yield started
        finally:
            started.stop()
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(paths.socket_directory(home), ignore_errors=True)


def test_a_restarted_database_loses_no_credit(server: Postgres, tmp_path: Path) -> None:
    home = server.data.parent
    arguments = (tmp_path, str(CLIENTS), str(OPERATIONS))
    reading, writing = os.pipe()
    spenders = children.spawn(
        [sys.executable, "-m", "tests.chaos.spenders", *arguments],
        on_parent_death=signal.SIGKILL,
        output=writing,
        environment=_environment(home),
        directory=settings.BASE_DIR,
    )
    os.close(writing)
    done = restarts = 0
    try:
        with open(reading, "rb") as output:
            while dot := output.read(1):
                assert dot == b".", (dot + output.read()).decode()
                done += 100
                next_at = OPERATIONS * (restarts + 1) / (RESTARTS + 1)
                if restarts < RESTARTS and done >= next_at:
                    _restart(server)
                    restarts += 1
        assert spenders.wait(60) == 0, done
    finally:
        children.stop(spenders, signal.SIGKILL, 10)
    assert restarts == RESTARTS

    told = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert len(told) == CLIENTS
    answers = [tuple(answer) for one in told for answer in one["answers"]]
    retries = sum(one["retries"] for one in told)
    assert retries >= RESTARTS
    with psycopg.connect(
        host=str(server.sockets), user=paths.USER, dbname=paths.DATABASE
    ) as client:
        _check(client, answers)
    proof = _run(home, "manage.py", "verify_ledger")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert [line.split()[1] for line in proof.stdout.splitlines()] == ["0"] * 17
    refused = sum(one["refusals"] for one in told)
    sys.stdout.write(
        f"{OPERATIONS} operations by {CLIENTS} clients, {RESTARTS} restarts: "
        f"{len(answers)} postings, {refused} refused, {retries} tried again; all "
        "invariants hold\n"
    )


def _restart(server: Postgres) -> None:
    """Stop the server without a clean shutdown, and start it again."""
    assert server.process
    server.process.send_signal(signal.SIGQUIT)  # "immediate shutdown"
    server.process.wait(60)
    server.start()


def _check(
    client: "psycopg.Connection[tuple[object, ...]]",
    answers: list[tuple[int, str, str, int]],
) -> None:
    """Every confirmed posting exists exactly once, and no other posting does."""
    stored = client.execute(
        "SELECT wallet_id, kind, key FROM billing_ledgertransaction"
        " WHERE kind <> 'expire'"
    ).fetchall()
    assert Counter(stored) == Counter(answer[:3] for answer in answers)
    used: dict[int, int] = defaultdict(int)
    given: dict[str, int] = {}
    for wallet, kind, key, credits in answers:
        if kind == "capture":
            used[wallet] += credits
        if kind == "grant":
            given[key] = credits
    wallets = client.execute(
        "SELECT id, consumed FROM billing_wallet WHERE consumed > 0"
    ).fetchall()
    assert sorted(wallets) == sorted(used.items())
    lots = client.execute(
        "SELECT source, granted FROM billing_lot WHERE source LIKE 'grant:%'"
    ).fetchall()
    assert sorted(lots) == sorted(given.items())


def _run(home: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=_environment(home),
        capture_output=True,
        text=True,
    )


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "EMBEDDED_DATABASE"}
    return kept | {"OZVENA_HOME": str(home)}
