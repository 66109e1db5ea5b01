"""A worker settles a scene while another thread ends the job or releases its credits.

Each thread has its own connection. Whichever is first, all credits are accounted for.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing.ledger.wallets import wallet_of
from billing.models import Reservation, Usage
from kit.work.claims import LeaseLost
from synthesis.errors import JobNotCancelable
from synthesis.jobs import cancel
from synthesis.models import Job, Scene
from synthesis.work import dispatch, settlement
from synthesis.work.rendering import Rendered
from tests import factories
from tests.billing.factories import columns, violations
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)
SPOKEN = Rendered(audio="a.mp3", words="a.json", timing="exact", duration_ms=1000)
# Seconds that the first waits, and the second: both orders are met, and the tie.
STARTS = [(0, 0), (0, 0), (0, 0), (0.02, 0), (0, 0.02)]


def race(
    first: Callable[[], Any], second: Callable[[], Any], waits: tuple[float, float]
) -> tuple[Any, Any]:
    """Run both at the same moment; return their results or errors."""
    barrier = Barrier(2, timeout=30)

    def run(action: Callable[[], Any], wait: float) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            time.sleep(wait)
            return action()
        except (LeaseLost, JobNotCancelable) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, (first, second), waits)
    return one, other


def completing(scene: Scene) -> Callable[[], Job]:
    def action() -> Job:
        with transaction.atomic(durable=True):
            return settlement.complete(scene, SPOKEN)

    return action


def canceling(job: Job) -> Callable[[], Job]:
    def action() -> Job:
        with transaction.atomic(durable=True):
            return cancel.cancel(job.pk)

    return action


@pytest.fixture
def caller():
    return factories.caller()


@pytest.fixture
def wallet(caller):
    return wallet_of(caller.workspace, "PRODUCTION")


@pytest.mark.parametrize("waits", STARTS)
def test_the_last_scene_ends_while_its_job_is_canceled(
    caller, wallet, submitted, waits
):
    job = submitted(caller, "Five.")
    completed, canceled = race(completing(claim()), canceling(job), waits)
    job.refresh_from_db()
    if isinstance(completed, LeaseLost):
        assert (job.status, job.charged, job.refunded) == ("canceled", 0, 5)
        assert columns(wallet) == (5000, 0, 0)
    else:
        assert isinstance(canceled, JobNotCancelable)
        assert (job.status, job.charged, job.refunded) == ("completed", 5, 0)
        assert columns(wallet) == (4995, 0, 5)
    assert Usage.objects.count() == job.charged // 5
    assert violations() == {}


@pytest.mark.parametrize("waits", STARTS)
def test_a_scene_ends_while_its_job_is_canceled(caller, wallet, submitted, waits):
    job = submitted(caller, "Five.", "More.")
    completed, canceled = race(completing(claim()), canceling(job), waits)
    assert isinstance(canceled, Job)
    charged = 0 if isinstance(completed, LeaseLost) else 5
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == (
        "canceled",
        charged,
        10 - charged,
    )
    assert columns(wallet) == (5000 - charged, 0, charged)
    assert Usage.objects.count() == charged // 5
    assert violations() == {}


@pytest.mark.parametrize("waits", STARTS)
def test_a_scene_ends_while_its_reservation_is_checked(
    caller, wallet, submitted, waits
):
    job = submitted(caller, "Five.")
    Reservation.objects.update(deadline=timezone.now() - timedelta(days=1))
    scene = claim()
    completed, released = race(completing(scene), dispatch.release_forgotten, waits)
    assert isinstance(completed, Job)
    # Whether it was still needed or used up by then, nothing is released.
    assert released in (0, 1)
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("completed", 5, 0)
    assert columns(wallet) == (4995, 0, 5)
    assert not Reservation.objects.open().exists()
    assert violations() == {}


@pytest.mark.parametrize("waits", STARTS)
def test_a_job_is_canceled_while_its_reservation_is_checked(
    caller, wallet, submitted, waits
):
    job = submitted(caller, "Five.")
    Reservation.objects.update(deadline=timezone.now() - timedelta(days=1))
    canceled, _ = race(canceling(job), dispatch.release_forgotten, waits)
    assert isinstance(canceled, Job)
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("canceled", 0, 5)
    assert columns(wallet) == (5000, 0, 0)
    assert violations() == {}
