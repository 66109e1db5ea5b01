"""Claiming: the order of turns and the limits of concurrent scenes."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Workspace
from kit.work import claims
from providers.models import Provider
from synthesis.models import Scene
from synthesis.work import claiming, dispatch
from tests import factories
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)


def claimed_by(count: int) -> list[Scene]:
    found = [claiming.claim_next("remote") for _ in range(count)]
    return [scene for scene in found if scene is not None]


def test_a_book_does_not_delay_a_clip(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 1000
    book = submitted(factories.caller(), *["A page of a long book."] * 150)
    first = claimed_by(3)
    assert [scene.index for scene in first] == [1, 2, 3]

    clip = submitted(factories.caller(), "Just this.")

    assert claim().job == clip
    assert claim().job == book


def test_two_books_take_turns_by_length(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 1000
    long = submitted(factories.caller(), *["x" * 450] * 10)  # 500 with the overhead
    short = submitted(factories.caller(), *["y" * 200] * 20)  # 250

    order = [scene.job_id for scene in claimed_by(12)]

    assert order.count(long.pk) == 4
    assert order.count(short.pk) == 8


def test_a_workspace_has_a_limit_of_concurrent_scenes(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 2
    mine = submitted(factories.caller(), "One.", "Two.", "Three.")
    held = claimed_by(3)
    assert len(held) == 2
    other = submitted(factories.caller(), "Other.")
    assert claim().job == other

    Scene.objects.filter(pk=held[0].pk).update(
        status="completed", audio="x", duration_ms=1
    )
    assert claim().job == mine


def test_a_plan_sets_the_limit_of_concurrent_scenes(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 2
    large, small = factories.caller(), factories.caller()
    Workspace.objects.filter(pk=large.workspace.pk).update(concurrency=3)
    Workspace.objects.filter(pk=small.workspace.pk).update(concurrency=1)
    for caller in (large, small, factories.caller()):
        submitted(caller, *["One of many."] * 5)

    held = Counter(scene.workspace_id for scene in claimed_by(12))

    assert held.pop(large.workspace.pk) == 3
    assert held.pop(small.workspace.pk) == 1
    assert list(held.values()) == [2]


def test_a_provider_has_a_limit_of_concurrent_calls(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 100
    Provider.objects.filter(slug="scripted").update(max_concurrent=5)
    for _ in range(4):
        submitted(factories.caller(), *["Many at once."] * 10)
    barrier = threading.Barrier(12)

    def try_claim(_: int) -> Scene | None:
        try:
            barrier.wait(10)
            return claiming.claim_next("remote")
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(try_claim, range(12)))

    held = [scene.pk for scene in found if scene is not None]
    assert len(held) == len(set(held)) == 5
    assert Scene.objects.filter(status="processing").count() == 5


def test_a_scene_is_claimed_once(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 1000
    submitted(factories.caller(), *["Mine alone."] * 30)

    def claim_some(_: int) -> list[Scene]:
        try:
            return claimed_by(5)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        held = [
            scene.pk for found in threads.map(claim_some, range(8)) for scene in found
        ]

    assert len(held) == len(set(held)) == 30


def test_a_worker_without_a_lease_may_not_settle(submitted) -> None:
    submitted(factories.caller(), "Held.")
    held = claim()
    Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    dispatch.sweep()

    scene = Scene.objects.get()
    assert (scene.status, scene.crashes, scene.fence) == ("queued", 1, 1)
    again = claim()
    assert again.fence == 2
    with pytest.raises(claims.LeaseLost), transaction.atomic():
        claims.lock_held(held)
