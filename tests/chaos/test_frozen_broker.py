"""Redis hangs, like an overloaded machine; jobs are still accepted at once.

`make test` runs a short form, `make chaos` the long one (CHAOS_POSTS).
"""

import json
import os
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from django.db import transaction

from accounts.caller import Environment
from billing.ledger.wallets import wallet_of
from config.embedded import ownership, paths
from config.embedded.redis import Redis
from providers.catalogue import sync
from synthesis.models import Job
from tests import factories, processes

pytestmark = pytest.mark.system

POSTS = int(os.environ.get("CHAOS_POSTS", "24"))
CLIENTS = 4
_PATIENCE = 300  # seconds for all to be spoken


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A Redis for this test and the processes that it starts."""
    home = tmp_path / "home"
    with ownership.owned(home) as lock:
        server = Redis(home, lock)
        server.start()
        path = paths.redis_socket(home)
        monkeypatch.setenv("CACHE_URL", f"unix://{path}?db=0")
        monkeypatch.setenv("BROKER_URL", f"redis+socket://{path}?virtual_host=1")
        yield server
        assert server.process is not None
        server.process.send_signal(signal.SIGCONT)
        server.stop()
    shutil.rmtree(paths.socket_directory(home), ignore_errors=True)


def _text(number: int) -> str:
    return f"Number {number}."


def _post(address: str, token: str, number: int) -> tuple[int, float]:
    """Submit a job; return the status and the seconds that it took."""
    body = {"text": _text(number), "voice": "unicorn:en-us"}
    request = urllib.request.Request(
        f"{address}/api/v1/jobs",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        },
    )
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, time.monotonic() - began


@pytest.mark.django_db(transaction=True)
def test_a_hanging_broker_delays_requests_by_its_timeout_only(
    redis: Redis,
) -> None:
    sync.sync()
    owner = factories.user()
    token = factories.token(owner)
    workspace = factories.workspace(owner)
    workspace.rate_synthesis = 100_000
    workspace.save(update_fields=["rate_synthesis"])
    wallet = wallet_of(workspace, Environment.PRODUCTION)
    with transaction.atomic():
        factories.grant(wallet, 3 * POSTS * len(_text(POSTS)))
    assert redis.process is not None
    web = processes.start_web()
    started = [
        web.process,
        processes.start_worker("local", pool="prefork"),
        processes.start_dispatcher(),
    ]
    try:
        web.wait()
        # Readiness uses the cache first: its connections are then those of rate limits.
        with suppress(HTTPError):
            urllib.request.urlopen(f"{web.url}/health/ready", timeout=10).close()
        _submit(web.url, token)  # everything that is created at first use exists
        before = _submit(web.url, token)
        redis.process.send_signal(signal.SIGSTOP)
        answers = _submit(web.url, token)
        redis.process.send_signal(signal.SIGCONT)
        thawed = time.monotonic()
        while Job.objects.exclude(status="completed").exists():
            assert time.monotonic() - thawed < _PATIENCE
            time.sleep(0.1)
        rest = time.monotonic() - thawed
    finally:
        for process in started:
            processes.kill(process)

    sys.stdout.write(
        f"{POSTS} jobs: {_told(before)}; while Redis hung: {_told(answers)};"
        f" all spoken {rest:.1f} s after\n"
    )
    assert {status for status, _ in answers} == {202}
    assert Job.objects.count() == 3 * POSTS
    assert _quantile(answers, 0.99) < _quantile(before, 0.99) + 0.3


def _submit(address: str, token: str) -> list[tuple[int, float]]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(lambda n: _post(address, token, n), range(POSTS)))


def _quantile(answers: list[tuple[int, float]], share: float) -> float:
    times = sorted(seconds for _, seconds in answers)
    return times[min(int(len(times) * share), len(times) - 1)]


def _told(answers: list[tuple[int, float]]) -> str:
    p50, p99 = (_quantile(answers, share) * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms"
