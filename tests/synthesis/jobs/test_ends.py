"""The end of a job is emitted once to endpoints and to its own address."""

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.caller import Caller
from accounts.people import blocking as suspending
from accounts.people import closing
from billing.models import Reservation
from providers.contract.base import Failure, ProviderError
from synthesis.jobs import cancel
from synthesis.jobs.blocking import cancel_suspended
from synthesis.models import Job, Scene
from synthesis.work import dispatch, quarantine, worker
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim
from webhooks import endpoints
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)
ENDS = ["job.completed", "job.partial", "job.failed", "job.canceled"]
EVERYBODY = "https://hooks.example.com/all"
OWN = "https://hooks.example.com/own"


@dataclass
class Stage:
    """A customer, with everything that can end their jobs."""

    caller: Caller
    submit: Callable[..., Job]
    speak_all: Callable[[], int]
    office: Client
    monkeypatch: pytest.MonkeyPatch

    @property
    def api(self) -> Client:
        return factories.api(factories.token(self.caller.user))

    def job(self, *texts: str, voice: str = "scripted:one") -> str:
        """Submit a job with its own `webhook_url`; return its path."""
        job = self.submit(
            self.caller, *(texts or ("One.",)), voice=voice, webhook_url=OWN
        )
        return f"/api/v1/jobs/{job.pk}"

    def post(self, path: str, body: object = None) -> int:
        status: int = self.api.post(
            path, body or {}, content_type="application/json"
        ).status_code
        return status


@pytest.fixture
def stage(submitted, speak_all, back_office, monkeypatch) -> Stage:
    monkeypatch.setattr("kit.work.bells.ring_soon", lambda *args, **kwargs: None)
    caller = factories.caller()
    with transaction.atomic():
        endpoints.create(caller.workspace, url=EVERYBODY, events=ENDS)
    return Stage(caller, submitted, speak_all, back_office, monkeypatch)


def refuse(times: int = 1) -> None:
    scripted.failures.extend(
        ProviderError(Failure.BAD_REQUEST, "no") for _ in range(times)
    )


def completed(stage: Stage) -> None:
    stage.job("One.", "Two.")
    stage.speak_all()


def partial(stage: Stage) -> None:
    refuse()
    stage.job("Fails.", "Speaks.")
    stage.speak_all()


def failed(stage: Stage) -> None:
    refuse()
    stage.job()
    stage.speak_all()


def canceled_by_api(stage: Stage) -> None:
    path = stage.job("One.", "Two.")
    worker.speak(claim())
    assert stage.post(f"{path}/cancel") == 200
    assert stage.post(f"{path}/cancel") == 409


def canceled_by_an_operator(stage: Stage) -> None:
    stage.job()
    chosen = {
        "action": "cancel_jobs",
        "_selected_action": [str(Job.objects.get().pk)],
        "reason": "a test",
    }
    for _ in range(2):
        stage.office.post("/admin/synthesis/job/", chosen)


def deleted(stage: Stage) -> None:
    path = stage.job()
    assert stage.api.delete(path).status_code == 204


def deleted_after_its_end(stage: Stage) -> None:
    completed(stage)
    cancel_path = f"/api/v1/jobs/{Job.objects.get().pk}"
    assert stage.api.delete(cancel_path).status_code == 204


def canceled_while_it_is_spoken(stage: Stage) -> None:
    path = stage.job()
    held = claim()
    assert stage.post(f"{path}/cancel") == 200
    worker.speak(held)  # comes too late


def paused_then_canceled(stage: Stage) -> None:
    path = stage.job()
    assert stage.post(f"{path}/pause") == 200
    assert stage.speak_all() == 0
    assert stage.post(f"{path}/cancel") == 200


def paused_then_completed(stage: Stage) -> None:
    path = stage.job()
    assert stage.post(f"{path}/pause") == 200
    assert stage.post(f"{path}/resume") == 200
    stage.speak_all()


def blocked_person(stage: Stage) -> None:
    stage.job()
    assert stage.caller.user is not None
    suspending.block(stage.caller.user)
    cancel_suspended()
    cancel_suspended()


def blocked_workspace(stage: Stage) -> None:
    stage.job()
    suspending.block(stage.caller.workspace)
    cancel_suspended()
    cancel_suspended()


def closed_account(stage: Stage) -> None:
    stage.job()
    assert stage.caller.user is not None
    with transaction.atomic(durable=True):
        closing.close(stage.caller.user)
    cancel_suspended()
    cancel_suspended()


def retried(stage: Stage) -> None:
    refuse(2)
    path = stage.job()
    stage.speak_all()
    assert stage.post(f"{path}/retry") == 202
    stage.speak_all()
    assert stage.post(f"{path}/retry") == 202
    stage.speak_all()
    assert stage.post(f"{path}/retry") == 409


def spoken_anew(stage: Stage) -> None:
    path = stage.job("One.", "Two.")
    stage.speak_all()
    changed = stage.api.patch(
        f"{path}/scenes/2", {"text": "Three."}, content_type="application/json"
    )
    assert changed.status_code == 202
    stage.speak_all()


def spoken_anew_then_canceled(stage: Stage) -> None:
    path = stage.job()
    stage.speak_all()
    stage.api.patch(f"{path}/scenes/1", {}, content_type="application/json")
    assert stage.post(f"{path}/cancel") == 200  # it is what it was before
    assert stage.post(f"{path}/retry") == 409


def canceled_after_a_failure(stage: Stage) -> None:
    refuse()
    path = stage.job("Fails.", "Waits.")
    worker.speak(claim())
    assert stage.post(f"{path}/cancel") == 200
    assert stage.post(f"{path}/retry") == 409  # canceled jobs stay canceled


def lost_by_a_worker(stage: Stage) -> None:
    stage.job()
    claim()
    Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    dispatch.sweep()
    stage.speak_all()


def found_by_the_reaper(stage: Stage) -> None:
    completed(stage)
    long_ago = timezone.now() - timedelta(days=8)
    Reservation.objects.update(deadline=long_ago)
    dispatch.release_forgotten()
    stage.job()
    Reservation.objects.update(deadline=long_ago)
    assert dispatch.release_forgotten() == 0  # it still waits
    open_one = Reservation.objects.open().get()
    assert timedelta(hours=23) < open_one.deadline - timezone.now() < timedelta(days=1)
    stage.speak_all()


def poison(stage: Stage) -> None:
    stage.job(voice="unicorn:en-us")
    for _ in range(3):
        claim("local")
        Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        dispatch.sweep()
    deadly = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    stage.monkeypatch.setattr(quarantine, "COMMAND", [sys.executable, "-c", deadly])
    stage.speak_all()


def speech_at_once(stage: Stage) -> None:
    body = {"input": "At once.", "voice": "scripted:one"}
    assert stage.post("/api/v1/speech", body) == 200


def speech_that_fails(stage: Stage) -> None:
    refuse()
    body = {"input": "At once.", "voice": "scripted:one"}
    assert stage.post("/api/v1/speech", body) == 502


def speech_of_a_killed_process(stage: Stage) -> None:
    speech_at_once(stage)
    job = Job.objects.get()
    # As before its end: leased by a process that has died.
    Event.objects.all().delete()
    job.scenes.update(
        status="processing", cost=0, lease_until=timezone.now() - timedelta(seconds=1)
    )
    Job.objects.update(status="processing", finished_at=None)
    dispatch.sweep()
    dispatch.sweep()


Path = Callable[[Stage], None]
PATHS: list[tuple[Path, list[str]]] = [
    (completed, ["job.completed"]),
    (partial, ["job.partial"]),
    (failed, ["job.failed"]),
    (canceled_by_api, ["job.canceled"]),
    (canceled_by_an_operator, ["job.canceled"]),
    (canceled_while_it_is_spoken, ["job.canceled"]),
    (canceled_after_a_failure, ["job.canceled"]),
    (deleted, ["job.canceled"]),
    (deleted_after_its_end, ["job.completed"]),
    (paused_then_canceled, ["job.canceled"]),
    (paused_then_completed, ["job.completed"]),
    (blocked_person, ["job.canceled"]),
    (blocked_workspace, ["job.canceled"]),
    (closed_account, ["job.canceled"]),
    (retried, ["job.failed", "job.failed", "job.completed"]),
    (spoken_anew, ["job.completed", "job.completed"]),
    (spoken_anew_then_canceled, ["job.completed", "job.completed"]),
    (lost_by_a_worker, ["job.completed"]),
    (found_by_the_reaper, ["job.completed", "job.completed"]),
    (poison, ["job.failed"]),
    (speech_at_once, ["job.completed"]),
    (speech_that_fails, ["job.failed"]),
    (speech_of_a_killed_process, ["job.failed"]),
]


@pytest.mark.parametrize(("path", "ends"), PATHS, ids=[p.__name__ for p, _ in PATHS])
def test_the_end_of_a_job_is_emitted_once_to_each_receiver(
    stage: Stage, path: Path, ends: list[str]
) -> None:
    path(stage)

    events = list(Event.objects.order_by("pk"))
    assert [event.type for event in events] == ends
    for event in events:
        told = json.loads(bytes(event.body))
        job = Job.objects.get(pk=told["data"]["transaction_id"])
        # One event, so one `webhook-id` for all receivers.
        addresses = {EVERYBODY} | ({OWN} if job.webhook_url else set())
        rows = Delivery.objects.filter(event=event)
        assert sorted(row.address for row in rows) == sorted(addresses)
        assert f"job.{told['data']['status']}" == told["type"] == event.type
        assert told["data"]["finished_at"] is not None
    assert Job.objects.exclude(status__in=["queued", "processing"]).count() == len(
        {json.loads(bytes(event.body))["data"]["transaction_id"] for event in events}
    )


def test_a_blocked_owner_sees_the_reason(stage: Stage) -> None:
    blocked_person(stage)
    data = json.loads(bytes(Event.objects.get().body))["data"]
    assert (data["reason"], data["charged"], data["refunded"]) == ("blocked", 0, 4)


def test_a_canceled_job_that_is_deleted_twice_emits_one_event(stage: Stage) -> None:
    deleted(stage)
    with transaction.atomic():
        cancel.delete(Job.objects.get().pk)
    assert Event.objects.count() == 1
