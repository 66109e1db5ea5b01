"""Whose turn it is: nobody's stuck server holds up anybody else."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from tests.threads import in_threads
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks import claiming, delivery, dispatch
from webhooks.emit import encode
from webhooks.events import TEST
from webhooks.models import Delivery, Endpoint, Event, lane_of_url

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]


def many(to: Endpoint, count: int) -> None:
    """Give an endpoint many deliveries that have waited for a while."""
    body = encode(TEST.name, timezone.now(), {})
    events = Event.objects.bulk_create(
        Event(workspace_id=to.workspace_id, type=TEST.name, body=body)
        for _ in range(count)
    )
    Delivery.objects.bulk_create(
        Delivery(
            workspace_id=to.workspace_id,
            event=event,
            endpoint=to,
            lane=to.lane,
            ready_at=timezone.now() - timedelta(minutes=1),
        )
        for event in events
    )


def claim_all() -> list[Delivery]:
    claimed = []
    while found := claiming.claim_next():
        claimed.append(found)
    return claimed


def test_three_at_a_time_for_an_endpoint() -> None:
    to = factories.endpoint()
    many(to, 10)
    assert len(claim_all()) == 3


def test_eight_at_a_time_for_a_workspace() -> None:
    of = factories.workspace()
    for _ in range(4):
        many(factories.endpoint(of), 10)
    claimed = claim_all()
    assert len(claimed) == 8
    assert max(_count(claimed, lane) for lane in {row.lane for row in claimed}) == 3


def test_a_bounded_number_at_a_time_in_all(settings) -> None:
    settings.WEBHOOK_CONCURRENCY = 5
    for _ in range(4):
        many(factories.endpoint(), 4)
    assert len(claim_all()) == 5


def test_the_least_busy_workspace_is_next_however_long_others_have_waited() -> None:
    noisy, quiet = factories.endpoint(), factories.endpoint()
    many(noisy, 50)
    first = claiming.claim_next()
    late = factories.delivery(quiet)
    second = claiming.claim_next()
    assert first is not None
    assert second is not None
    assert first.lane == noisy.lane
    assert second.pk == late.pk


def test_the_oldest_of_a_lane_is_first() -> None:
    to = factories.endpoint()
    new, old = factories.delivery(to), factories.delivery(to)
    Delivery.objects.filter(pk=old.pk).update(
        ready_at=F("ready_at") - timedelta(hours=1)
    )
    assert [row.pk for row in claim_all()] == [old.pk, new.pk]


def test_an_endpoint_that_rests_gets_nothing() -> None:
    to = factories.endpoint()
    factories.delivery(to)
    Endpoint.objects.update(rests_until=timezone.now() + timedelta(minutes=1))
    assert claiming.claim_next() is None
    Endpoint.objects.update(rests_until=timezone.now())
    assert claiming.claim_next() is not None


def test_addresses_of_jobs_share_sixteen_lanes() -> None:
    of = factories.workspace()
    lanes = {lane_of_url(of.pk, f"https://h{n}.example.com/{n}") for n in range(500)}
    assert len(lanes) == 16
    assert lane_of_url(of.pk, "https://a.example.com/1") == lane_of_url(
        of.pk, "https://A.example.com/2?x"
    )
    assert lane_of_url(of.pk, "nonsense")
    assert max(map(len, lanes)) <= 60


def test_a_silent_sender_loses_its_delivery_to_others(monkeypatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(
        "kit.bells.ring_if_quiet", lambda task, queue, count: rung.append(count)
    )
    to = factories.endpoint()
    many(to, 5)
    assert len(claim_all()) == 3
    dispatch.sweep()
    assert rung == []  # two wait, but the endpoint has its fill
    Delivery.objects.filter(status="processing").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    dispatch.sweep()
    assert rung == [3]
    assert len(claim_all()) == 3
    assert Delivery.objects.filter(crashes=1).count() == 3


@pytest.mark.django_db(transaction=True)
def test_parallel_claims_respect_the_limits() -> None:
    of = factories.workspace()
    for _ in range(4):
        many(factories.endpoint(of), 10)
    claimed = [row for part in in_threads(8, claim_all) for row in part]
    assert len(claimed) == len({row.pk for row in claimed}) == 8


@pytest.mark.django_db(transaction=True)
def test_five_thousand_events_to_a_tarpit_delay_nobody_else(
    receiver: Receiver, settings, monkeypatch
) -> None:
    """All slots are busy with tarpits; a single event of somebody else still gets out."""
    monkeypatch.setattr("webhooks.sending.DEADLINE", 1.5)
    settings.WEBHOOK_CONCURRENCY = 8
    receiver.play(scripts.hang, path="/tarpit")
    noisy = factories.workspace()
    for _ in range(5):
        many(factories.endpoint(noisy, url=receiver.url("/tarpit")), 1000)
    stop = threading.Event()

    def slot() -> None:
        # A slot of a worker, woken again and again.
        try:
            while not stop.wait(0.05):
                delivery.work()
        finally:
            connection.close()

    threads = [threading.Thread(target=slot) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        while Delivery.objects.filter(status="processing").count() < 8:
            assert threads[0].is_alive()
            time.sleep(0.01)
        began = time.monotonic()
        quiet = factories.delivery(factories.endpoint(url=receiver.url("/quiet")))
        while not any(request.path == "/quiet" for request in receiver.received):
            assert time.monotonic() - began < 20
            time.sleep(0.01)
        delay = time.monotonic() - began
    finally:
        Delivery.objects.filter(status="queued").update(status="canceled")
        stop.set()
        for thread in threads:
            thread.join()

    assert delay < 20
    quiet.refresh_from_db()
    assert quiet.status == "completed"


def _count(claimed: list[Delivery], lane: str) -> int:
    return sum(row.lane == lane for row in claimed)
