"""A worker settles a scene while another thread ends the job or releases its credits.

Each thread has its own connection. Whichever is first, all credits are accounted for.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
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
from tests.synthesis.racing import STARTS, race

pytestmark = pytest.mark.django_db(transaction=True)
SPOKEN = Rendered(audio="a.mp3", words="a.json", timing="exact", duration_ms=1000)


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
