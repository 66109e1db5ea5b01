"""Thousands of deliveries, each verified by the reference library of Standard Webhooks.

`make test` runs a short form, `make chaos` the long one (CHAOS_SIGNED).
"""

import os
import random
import sys
import time

import pytest
from django.db import transaction
from standardwebhooks.webhooks import Webhook

from tests import processes
from tests.webhooks import factories
from tests.webhooks.receiver import listening
from webhooks import endpoints
from webhooks.emit import send_to
from webhooks.events import TEST
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.sending import delivery

pytestmark = pytest.mark.system

DELIVERIES = int(os.environ.get("CHAOS_SIGNED", "200"))
CUSTOMERS = 8
_ALPHABET = 'ab "\\\n\t/é中🦄\u2028\x7f</script>'
_PATIENCE = 900  # seconds for all of it


@pytest.mark.django_db(transaction=True)
def test_every_delivery_has_a_valid_signature(settings, monkeypatch) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    monkeypatch.setenv("WEBHOOK_ALLOW_LOOPBACK", "1")
    rng = random.Random(10)
    with listening() as server:
        judges: dict[str, list[Webhook]] = {}
        rows: list[Endpoint] = []
        for number in range(CUSTOMERS):
            path = f"/{number}"
            row = factories.endpoint(url=server.url(path))
            secrets = [factories.secret(row)]
            if number % 2:  # half of them have just changed their secret
                with transaction.atomic():
                    row, new = endpoints.rotate(row.pk)
                secrets.append(new.reveal_text())
            judges[path] = [Webhook(secret) for secret in secrets]
            rows.append(row)
        expected: dict[str, dict[str, object]] = {}
        with transaction.atomic():
            for number in range(DELIVERIES):
                row = rows[number % CUSTOMERS]
                text = "".join(rng.choices(_ALPHABET, k=rng.randint(0, 60)))
                data = {"number": number, "text": text}
                event = send_to(row.workspace_id, TEST, data, [row])
                expected[str(event.pk)] = data

        worker = processes.start_worker("webhooks", pool="threads", slots=16)
        began = time.monotonic()
        judged = 0
        arrived: dict[str, object] = {}
        try:
            while judged < DELIVERIES:
                assert time.monotonic() - began < _PATIENCE
                delivery.work.sweep()
                # At once: the library refuses signatures older than five minutes.
                for request in server.received[judged:]:
                    for judge in judges[request.path]:
                        told = judge.verify(request.body, request.headers)
                    arrived[request.headers["webhook-id"]] = told["data"]
                    judged += 1
                time.sleep(0.2)
            took = time.monotonic() - began
            while Delivery.objects.unfinished().exists():
                assert time.monotonic() - began < _PATIENCE
                time.sleep(0.1)
        finally:
            processes.kill(worker)

    assert arrived == expected
    assert len(server.received) == Attempt.objects.count() == DELIVERIES
    sys.stdout.write(f"{judged} deliveries, 0 bad signatures, {judged / took:.0f}/s\n")
