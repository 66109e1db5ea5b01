"""Webhook workers are killed with `kill -9`; every event arrives, each under one id.

`make test` runs a short form, `make chaos` the long one (CHAOS_DELIVERIES, CHAOS_KILLS).
"""

import os
import socket
import subprocess
import time
from collections import defaultdict

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from tests import processes
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Received, Receiver, listening
from webhooks.models import Attempt, Delivery
from webhooks.sending import delivery

pytestmark = pytest.mark.system

DELIVERIES = int(os.environ.get("CHAOS_DELIVERIES", "60"))
KILLS = int(os.environ.get("CHAOS_KILLS", "1"))
ENDPOINTS = 12
_PATIENCE = 600  # seconds for all of it


def _slowly(peer: socket.socket) -> None:
    time.sleep(0.03)
    scripts.status(200)(peer)


def _start() -> subprocess.Popen[bytes]:
    worker: subprocess.Popen[bytes] = processes.start_worker(
        "webhooks", pool="threads", slots=16
    )
    return worker


@pytest.mark.django_db(transaction=True)
def test_killed_webhook_workers_lose_no_delivery(settings, monkeypatch) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    monkeypatch.setenv("WEBHOOK_ALLOW_LOOPBACK", "1")
    with listening() as server:
        secrets, expected = _arrange(server)
        worker = _start()
        deadline = time.monotonic() + _PATIENCE
        kills = 0
        try:
            while unfinished := Delivery.objects.unfinished().count():
                assert time.monotonic() < deadline, f"{unfinished} left"
                delivery.work.sweep()  # as the dispatcher does
                is_its_turn = unfinished < DELIVERIES * (1 - kills / (KILLS + 1))
                if (
                    kills < KILLS
                    and is_its_turn
                    and Delivery.objects.filter(status="processing").exists()
                ):
                    processes.kill(worker)
                    kills += 1
                    # No worker is left to renew a lease, so expire all leases at once.
                    Delivery.objects.filter(status="processing").update(
                        lease_until=timezone.now()
                    )
                    worker = _start()
                time.sleep(0.05)
        finally:
            processes.kill(worker)

    assert kills == KILLS
    arrived: dict[str, list[Received]] = defaultdict(list)
    for request in server.received:
        Webhook(secrets[request.path]).verify(request.body, request.headers)
        arrived[request.headers["webhook-id"]].append(request)
    assert arrived.keys() == expected.keys()
    for event_id, requests in arrived.items():
        assert {request.body for request in requests} == {expected[event_id]}
        assert len({request.path for request in requests}) == 1
    assert set(Delivery.objects.values_list("status", flat=True)) == {"completed"}
    assert Attempt.objects.count() == DELIVERIES
    repeats = len(server.received) - DELIVERIES
    interrupted = Delivery.objects.filter(crashes__gt=0).count()
    assert 0 <= repeats <= interrupted
    print(f"{DELIVERIES} deliveries, {kills} kills, {repeats} arrived twice")  # noqa: T201


def _arrange(server: Receiver) -> tuple[dict[str, str], dict[str, bytes]]:
    """Create the deliveries; return secrets by path and bodies by event."""
    secrets: dict[str, str] = {}
    expected: dict[str, bytes] = {}
    endpoints = []
    for number in range(ENDPOINTS):
        path = f"/hook/{number}"
        server.play(_slowly, path=path)
        endpoint = factories.endpoint(url=server.url(path))
        secrets[path] = factories.secret(endpoint)
        endpoints.append(endpoint)
    for number in range(DELIVERIES):
        row = factories.delivery(endpoints[number % ENDPOINTS], number=number)
        expected[str(row.event_id)] = bytes(row.event.body)
    return secrets, expected
