"""Cancel, pause, delete, retry and edit jobs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts.caller import Environment
from billing.errors import InsufficientCredits
from billing.ledger.wallets import summary, wallet_of
from providers.contract.base import Failure, ProviderError
from synthesis.errors import (
    Expired,
    JobCanceled,
    JobFinished,
    JobNotCancelable,
    NothingToRetry,
    PriceChanged,
    SandboxProvider,
    SceneBusy,
)
from synthesis.jobs import again, cancel
from synthesis.models import Job, Scene
from synthesis.work import claiming, worker
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def caller():
    return factories.caller()


def balance(caller) -> tuple[int, int]:
    told = summary(wallet_of(caller.workspace, caller.environment))
    return told["balance"], told["reserved"]


def run(action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with transaction.atomic(durable=True):
        return action(*args, **kwargs)


def sums(job: Job) -> tuple[str, int, int, int]:
    job.refresh_from_db()
    return job.status, job.cost, job.charged, job.refunded


def test_cancel_keeps_what_is_spoken(caller, submitted) -> None:
    job = submitted(caller, "First.", "Second.", "Third.")
    worker.speak(claim())

    run(cancel.cancel, job.pk, reason="test")

    assert sums(job) == ("canceled", 19, 6, 13)
    statuses = job.scenes.order_by("index").values_list("status", flat=True)
    assert list(statuses) == ["completed", "canceled", "canceled"]
    assert balance(caller) == (4994, 0)
    assert claiming.claim_next("remote") is None
    call_command("verify_ledger")


def test_a_scene_canceled_while_it_is_spoken_is_not_charged(caller, submitted) -> None:
    job = submitted(caller, "Too late.")
    held = claim()

    run(cancel.cancel, job.pk)
    worker.speak(held)

    assert sums(job) == ("canceled", 9, 0, 9)
    assert job.scenes.get().audio == ""
    assert balance(caller) == (5000, 0)


def test_an_ended_job_is_not_canceled(caller, submitted, speak_all) -> None:
    job = submitted(caller, "Done.")
    speak_all()
    before = sums(job)

    with pytest.raises(JobNotCancelable):
        run(cancel.cancel, job.pk)

    assert sums(job) == before == ("completed", 5, 5, 0)


def test_a_paused_job_waits_and_resumes(caller, submitted, speak_all) -> None:
    job = submitted(caller, "One.", "Two.")
    run(cancel.pause, job.pk)
    assert speak_all() == 0
    assert sums(job)[0] == "queued"

    run(cancel.resume, job.pk)
    assert speak_all() == 2
    assert sums(job)[0] == "completed"
    with pytest.raises(JobFinished):
        run(cancel.pause, job.pk)


def test_a_scene_that_fails_while_its_job_is_paused_waits_too(
    caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Later.")
    held = claim()
    run(cancel.pause, job.pk)
    scripted.failures.append(ProviderError(Failure.BUSY, retry_after=0))
    worker.speak(held)
    assert job.scenes.get().status == "queued"
    assert speak_all() == 0

    run(cancel.resume, job.pk)
    assert speak_all() == 1
    assert sums(job) == ("completed", 6, 6, 0)


def test_a_deleted_job_is_canceled_and_hidden(caller, submitted) -> None:
    job = submitted(caller, "Gone.")
    run(cancel.delete, job.pk)
    run(cancel.delete, job.pk)
    assert sums(job) == ("canceled", 5, 0, 5)
    assert job.is_deleted
    assert not Job.objects.visible_to(caller).exists()
    assert balance(caller) == (5000, 0)


def test_retry_is_a_round_of_its_own(caller, submitted, speak_all) -> None:
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST))
    job = submitted(caller, "Fails first.", "Works.")
    speak_all()
    assert sums(job) == ("partial", 18, 6, 12)

    run(again.retry, caller, job.pk)
    assert sums(job) == ("processing", 30, 6, 12)
    assert balance(caller) == (4982, 12)
    speak_all()

    assert sums(job) == ("completed", 30, 18, 12)
    assert balance(caller) == (4982, 0)
    with pytest.raises(NothingToRetry):
        run(again.retry, caller, job.pk)
    call_command("verify_ledger")


def test_retry_without_credits_changes_nothing(caller, submitted, speak_all) -> None:
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST))
    job = submitted(caller, "x" * 3000)
    speak_all()
    other = submitted(caller, "y" * 3000)
    before = sums(job), balance(caller)

    with pytest.raises(InsufficientCredits):
        run(again.retry, caller, job.pk)

    assert (sums(job), balance(caller)) == before
    assert job.scenes.get().status == "failed"
    assert other.status == "queued"


def test_editing_a_scene_speaks_and_charges_that_scene_alone(
    caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Keep me.", "Change me.")
    speak_all()
    kept, changed = job.scenes.order_by("index")
    scripted.calls.clear()

    run(again.edit, caller, job.pk, changed.pk, {"text": "Changed, and longer."})
    assert sums(job) == ("processing", 38, 18, 0)
    speak_all()

    assert scripted.calls == ["Changed, and longer."]
    assert sums(job) == ("completed", 38, 38, 0)
    assert job.characters == 8 + 20
    kept_again, changed_again = job.scenes.order_by("index")
    assert kept_again.audio == kept.audio
    assert changed_again.audio != changed.audio
    assert changed_again.render == 2
    assert balance(caller) == (4962, 0)


def test_a_price_above_what_is_allowed_is_refused(caller, submitted, speak_all) -> None:
    job = submitted(caller, "Short.")
    speak_all()
    scene = job.scenes.get()
    with pytest.raises(PriceChanged):
        run(
            again.edit,
            caller,
            job.pk,
            scene.pk,
            {"text": "Longer now."},
            max_cost=10,
        )
    scene.refresh_from_db()
    assert scene.text == "Short."
    assert sums(job) == ("completed", 6, 6, 0)


def test_a_queued_scene_is_busy(caller, submitted) -> None:
    job = submitted(caller, "Waiting.")
    with pytest.raises(SceneBusy):
        run(again.edit, caller, job.pk, job.scenes.get().pk, {"text": "Other."})
    assert job.scenes.get().text == "Waiting."


def test_a_canceled_job_is_not_edited(caller, submitted) -> None:
    job = submitted(caller, "Canceled.")
    run(cancel.cancel, job.pk)
    with pytest.raises(JobCanceled):
        run(again.edit, caller, job.pk, job.scenes.get().pk, {"text": "Other."})
    assert balance(caller) == (5000, 0)


def test_a_canceled_job_has_no_failed_scenes_to_retry(caller, submitted) -> None:
    job = submitted(caller, "Canceled.")
    run(cancel.cancel, job.pk)
    with pytest.raises(NothingToRetry):
        run(again.retry, caller, job.pk)
    assert balance(caller) == (5000, 0)


def test_retries_and_edits_use_the_environment_of_the_job(submitted) -> None:
    sandbox = factories.caller(environment=Environment.SANDBOX)
    production = replace(sandbox, environment=Environment.PRODUCTION)
    with transaction.atomic():
        factories.grant(wallet_of(sandbox.workspace, sandbox.environment), 100)
    job = submitted(sandbox, "Hello.", voice="unicorn:en-us")
    Scene.objects.update(status="failed", finished_at=timezone.now())
    scene = job.scenes.get()
    before = balance(sandbox), balance(production)

    with pytest.raises(SandboxProvider):
        run(again.edit, production, job.pk, scene.pk, {"voice": "scripted:one"})
    Scene.objects.update(voice="scripted:one", provider="scripted")
    with pytest.raises(SandboxProvider):
        run(again.retry, production, job.pk)

    assert (balance(sandbox), balance(production)) == before
    job.refresh_from_db()
    assert job.rounds == 1


def test_an_expired_job_is_not_spoken_again(caller, submitted) -> None:
    job = submitted(caller, "One.", "Two.")
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    worker.speak(claim())
    worker.speak(claim())
    before = balance(caller)
    Job.objects.update(expires_at=timezone.now())
    scenes = list(job.scenes.order_by("index"))

    with pytest.raises(Expired):
        run(again.retry, caller, job.pk)
    with pytest.raises(Expired):
        run(again.edit, caller, job.pk, scenes[1].pk, {"text": "Other."})
    assert balance(caller) == before
    assert list(job.scenes.order_by("index").values_list("text", flat=True)) == [
        "One.",
        "Two.",
    ]


def test_speaking_again_restarts_the_retention(caller, submitted) -> None:
    job = submitted(caller, "One.")
    worker.speak(claim())
    soon = timezone.now() + timedelta(hours=1)
    Job.objects.update(expires_at=soon)

    run(again.edit, caller, job.pk, job.scenes.get().pk, {"text": "Other."})

    job.refresh_from_db()
    assert job.expires_at > soon + timedelta(days=1)


def test_a_job_that_was_paused_for_long_keeps_its_audio(caller, submitted) -> None:
    job = submitted(caller, "One.")
    run(cancel.pause, job.pk)
    Job.objects.update(expires_at=timezone.now() - timedelta(days=1))

    run(cancel.resume, job.pk)

    job.refresh_from_db()
    assert job.expires_at > timezone.now() + timedelta(days=1)
