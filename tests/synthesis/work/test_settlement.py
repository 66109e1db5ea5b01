"""Settlement of scenes: status and credits of their jobs."""

import pytest
from django.core.management import call_command

from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerTransaction
from providers.contract.base import Failure, ProviderError
from providers.models import Upstream
from synthesis.models import Job, Scene
from synthesis.work import worker
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def caller():
    return factories.caller()


@pytest.fixture
def credits(caller):
    """A function that returns balance and reserved credits; sign-up gives 5,000."""
    wallet = wallet_of(caller.workspace, caller.environment)

    def tell() -> tuple[int, int]:
        told = summary(wallet)
        return told["balance"], told["reserved"]

    return tell


def test_a_job_reserves_then_captures_scene_by_scene(
    caller, credits, submitted
) -> None:
    job = submitted(caller, "One. " * 2, "Two two.")
    assert (job.cost, job.status) == (17, "queued")
    assert credits() == (4983, 17)

    worker.speak(claim())
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("processing", 9, 0)
    assert credits() == (4983, 8)

    worker.speak(claim())
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("completed", 17, 0)
    assert credits() == (4983, 0)
    call_command("verify_ledger")


def test_a_failed_scene_is_refunded(caller, credits, submitted, speak_all) -> None:
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "vendor words"))
    job = submitted(caller, "This one fails.", "This one does not.")

    speak_all()

    job.refresh_from_db()
    assert (job.status, job.cost, job.charged, job.refunded) == ("partial", 33, 18, 15)
    assert [(s.status, s.error_code) for s in job.scenes.order_by("index")] == [
        ("failed", "bad_request"),
        ("completed", ""),
    ]
    assert credits() == (4982, 0)


def test_all_scenes_failed_means_a_failed_job_that_cost_nothing(
    caller, credits, submitted, speak_all
) -> None:
    scripted.failures.append(ProviderError(Failure.UNSPEAKABLE))
    job = submitted(caller, "Hush. …")

    speak_all()

    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("failed", 0, 7)
    assert job.scenes.get().error_code == "unspeakable"
    assert scripted.calls == ["Hush. …"]
    assert credits() == (5000, 0)


def test_a_temporary_failure_is_retried_later(caller, credits, submitted) -> None:
    scripted.failures.append(ProviderError(Failure.RATE_LIMITED, retry_after=900))
    job = submitted(caller, "Patience.")

    assert worker.work("remote") == 1

    scene = job.scenes.get()
    assert (scene.status, scene.attempts) == ("queued", 1)
    upstream = Upstream.objects.get()
    assert upstream.open_until is not None
    assert (upstream.open_until - job.created_at).total_seconds() >= 899
    assert credits() == (4991, 9)
    assert worker.work("remote") == 0  # not before its time


def test_temporary_failures_end_after_five_tries(
    caller, credits, submitted, speak_all
) -> None:
    for _ in range(9):
        scripted.failures.append(ProviderError(Failure.BUSY, retry_after=0))
    job = submitted(caller, "Never.")

    speak_all()

    assert len(scripted.calls) == worker.MAX_TRIES
    assert job.scenes.get().error_code == "busy"
    assert credits() == (5000, 0)


def test_a_bug_fails_the_scene_and_not_the_worker(
    caller, submitted, speak_all, monkeypatch
) -> None:
    monkeypatch.setattr(worker, "MAX_TRIES", 1)
    scripted.failures.append(ZeroDivisionError())
    job = submitted(caller, "Broken.", "Fine.")

    assert speak_all() == 2

    job.refresh_from_db()
    assert job.status == "partial"


def test_only_the_newest_claim_settles(caller, credits, submitted) -> None:
    job = submitted(caller, "Twice.")
    first = claim()
    Scene.objects.update(status="queued", lease_until=None)  # its lease ran out
    second = claim()

    worker.speak(first)
    job.refresh_from_db()
    assert (job.status, job.charged) == ("processing", 0)

    worker.speak(second)
    job.refresh_from_db()
    assert (job.status, job.charged) == ("completed", 6)
    assert LedgerTransaction.objects.filter(kind="capture").count() == 1
    assert credits() == (4994, 0)


def test_guests_pay_nothing_and_leave_no_posting(submitted, speak_all) -> None:
    job = submitted(factories.guest(), "Free.", voice="unicorn:en-us")
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.cost, job.billed_to) == ("completed", 0, "guest")
    assert LedgerTransaction.objects.count() == 0
    assert Job.objects.count() == 1


def test_operators_pay_nothing(submitted, speak_all) -> None:
    caller = factories.caller(factories.user(is_staff=True))
    job = submitted(caller, "On the house.")
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.cost, job.billed_to) == ("completed", 0, "admin")
    assert not LedgerTransaction.objects.exclude(kind="grant").exists()
