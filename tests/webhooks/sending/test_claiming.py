"""Fair claiming: a customer's stuck server delays no other customer."""

import heapq
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import timezone

from tests.threads import in_threads
from tests.webhooks import factories
from tests.webhooks.events import many
from webhooks.models import Delivery, Endpoint, Turn, lane_of_url
from webhooks.sending import claiming, delivery, retention
from webhooks.sending.post import DEADLINE

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]


def claim_all() -> list[Delivery]:
    claimed = []
    while found := claiming.claim_next():
        claimed.append(found)
    return claimed


def test_an_endpoint_has_three_slots() -> None:
    to = factories.endpoint()
    many(to, 10)
    assert len(claim_all()) == 3


def test_a_workspace_has_eight_slots() -> None:
    of = factories.workspace()
    for _ in range(4):
        many(factories.endpoint(of), 10)
    claimed = claim_all()
    assert len(claimed) == 8
    assert Counter(Counter(row.lane for row in claimed).values()) == {2: 4}


def test_total_number_of_slots_is_limited(settings) -> None:
    settings.WEBHOOK_CONCURRENCY = 5
    for _ in range(4):
        many(factories.endpoint(), 4)
    assert len(claim_all()) == 5


def test_least_busy_workspace_is_next() -> None:
    noisy, quiet = factories.endpoint(), factories.endpoint()
    many(noisy, 50)
    first = claiming.claim_next()
    late = factories.delivery(quiet)
    second = claiming.claim_next()
    assert first is not None
    assert second is not None
    assert first.lane == noisy.lane
    assert second.pk == late.pk


def test_oldest_delivery_of_a_lane_is_first() -> None:
    to = factories.endpoint()
    new, old = factories.delivery(to), factories.delivery(to)
    Delivery.objects.filter(pk=old.pk).update(
        ready_at=F("ready_at") - timedelta(hours=1)
    )
    assert [row.pk for row in claim_all()] == [old.pk, new.pk]


def test_paused_endpoint_gets_nothing() -> None:
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


def test_worker_without_a_lease_loses_its_delivery(monkeypatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(
        "kit.work.bells.ring_unless_queued",
        lambda task, queue, count, **_: rung.append(count),
    )
    to = factories.endpoint()
    many(to, 5)
    assert len(claim_all()) == 3
    delivery.work.sweep()
    assert rung == []  # two wait, but the endpoint has its fill
    Delivery.objects.filter(status="processing").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    delivery.work.sweep()
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


@pytest.mark.parametrize(
    ("slots", "customers"), [(1, 1), (3, 1), (8, 1), (24, 1), (3, 5), (24, 30)]
)
def test_tarpits_with_long_backlogs_delay_others_by_one_call_at_most(
    settings, slots: int, customers: int
) -> None:
    """All slots hang; the first free one serves the workspace with a single event.

    Time is counted, not spent: each call lasts as long as the deadline lets it.
    """
    settings.WEBHOOK_CONCURRENCY = slots
    rng = random.Random(slots)
    for _ in range(customers):
        noisy = factories.workspace()
        for _ in range(4):
            many(factories.endpoint(noisy), 20)
    ends: list[tuple[float, UUID]] = []  # when each call ends, in seconds
    while found := claiming.claim_next():
        ends.append((rng.uniform(0, DEADLINE), found.pk))
    assert len(ends) == min(slots, claiming.PER_WORKSPACE * customers)
    has_room = len(ends) < slots

    lone = factories.delivery()
    waited = 0.0
    heapq.heapify(ends)
    while (found := claiming.claim_next()) is None or found.pk != lone.pk:
        if found is not None:
            heapq.heappush(ends, (waited + DEADLINE, found.pk))
            continue
        assert waited <= DEADLINE
        waited, ended = heapq.heappop(ends)
        Delivery.objects.filter(pk=ended).update(
            status="queued", ready_at=timezone.now() + timedelta(seconds=5)
        )

    assert waited <= DEADLINE
    assert not has_room or waited == 0.0


def test_the_lanes_of_a_workspace_take_turns(settings) -> None:
    """One slot, and an endpoint with a backlog: the others of its owner are served too."""
    settings.WEBHOOK_CONCURRENCY = 1
    of = factories.workspace()
    stuck, good = factories.endpoint(of), factories.endpoint(of)
    many(stuck, 5)
    served = []
    for _ in range(4):
        found = claiming.claim_next()
        assert found is not None
        served.append(found.endpoint_id)
        if len(served) == 1:
            many(good, 2)
        Delivery.objects.filter(pk=found.pk).update(status="failed")
    assert served == [stuck.pk, good.pk, stuck.pk, good.pk]


def test_old_turns_are_deleted() -> None:
    factories.delivery()
    claiming.claim_next()
    assert Turn.objects.count() == 2
    Turn.objects.update(served_at=timezone.now() - timedelta(days=2))
    retention.prune()
    assert not Turn.objects.exists()
