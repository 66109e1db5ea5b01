"""Every end of a job emits an event in the same transaction."""

import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.caller import Caller
from providers.contract.base import Failure, ProviderError
from synthesis.events import JOB_COMPLETED, SCENE_COMPLETED
from synthesis.jobs import again, cancel
from synthesis.models import Job
from synthesis.work import worker
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim
from webhooks import endpoints
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)
ALL = [
    "job.completed",
    "job.partial",
    "job.failed",
    "job.canceled",
    "scene.completed",
]
OWN = "https://hooks.example.com/own"


@pytest.fixture
def caller() -> Caller:
    return factories.caller()


def listen(caller: Caller, *types: str) -> None:
    with transaction.atomic():
        endpoints.create(
            caller.workspace, url="https://hooks.example.com/", events=types or ALL
        )


def told() -> list[tuple[str, dict[str, Any]]]:
    bodies = [json.loads(bytes(event.body)) for event in Event.objects.order_by("pk")]
    return [(body["type"], body["data"]) for body in bodies]


def kinds() -> list[str]:
    return [kind for kind, _ in told()]


def test_a_completed_job_and_its_scenes(caller, submitted, speak_all) -> None:
    listen(caller)
    job = submitted(caller, "One.", "Two.", metadata={"book": 7})
    assert told() == []
    speak_all()

    assert kinds() == ["scene.completed", "scene.completed", "job.completed"]
    first, second, whole = (data for _, data in told())
    assert (first["status"], first["scene"]["index"]) == ("processing", 1)
    assert first["scene"]["audio_url"].startswith("http")
    assert (second["status"], second["scene"]["index"]) == ("completed", 2)
    assert whole["transaction_id"] == str(job.pk)
    assert (whole["cost"], whole["charged"], whole["refunded"]) == (8, 8, 0)
    assert whole["progress"] == {"scenes_total": 2, "scenes_done": 2, "percent": 100}
    assert whole["metadata"] == {"book": 7}
    assert "scenes" not in whole


def test_an_event_shows_what_the_api_shows(caller, submitted, speak_all) -> None:
    listen(caller, "job.completed")
    job = submitted(caller, "One.")
    speak_all()
    token = factories.token(caller.user)
    client: Client = factories.api(token)
    shown = client.get(f"/api/v1/jobs/{job.pk}").json()
    shown.pop("scenes")
    data = told()[0][1]
    links, shown_links = data.pop("links"), shown.pop("links")
    assert data == shown
    assert links.keys() == shown_links.keys()
    assert all(
        link.startswith("http://127.0.0.1:8000/api/v1/") for link in links.values()
    )


def test_a_partial_job(caller, submitted, speak_all) -> None:
    listen(caller)
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    submitted(caller, "Fails.", "Speaks.")
    speak_all()
    assert kinds() == ["scene.completed", "job.partial"]


def test_a_failed_job(caller, submitted, speak_all) -> None:
    listen(caller)
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    submitted(caller, "Fails.")
    speak_all()
    assert kinds() == ["job.failed"]


@pytest.mark.parametrize("reason", ["", "blocked"])
def test_a_canceled_job_and_one_of_a_blocked_owner(caller, submitted, reason) -> None:
    listen(caller)
    job = submitted(caller, "One.", "Two.")
    worker.speak(claim())
    with transaction.atomic():
        cancel.cancel(job.pk, reason=reason)
    assert kinds() == ["scene.completed", "job.canceled"]
    assert told()[1][1]["reason"] == reason


def test_deleting_a_running_job_emits_its_cancellation(caller, submitted) -> None:
    listen(caller)
    job = submitted(caller, "One.")
    with transaction.atomic():
        cancel.delete(job.pk)
    assert kinds() == ["job.canceled"]


def test_a_job_that_is_spoken_again_ends_again(caller, submitted, speak_all) -> None:
    listen(caller, "job.failed", "job.completed")
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    job = submitted(caller, "Fails, then speaks.")
    speak_all()
    with transaction.atomic():
        again.retry(caller, job.pk)
    speak_all()
    assert kinds() == ["job.failed", "job.completed"]


def test_a_jobs_own_address_gets_its_end_under_the_same_id(
    caller, submitted, speak_all
) -> None:
    listen(caller)
    submitted(caller, "One.", webhook_url=OWN)
    speak_all()
    scene, end = Event.objects.order_by("pk")
    assert (scene.type, end.type) == ("scene.completed", "job.completed")
    assert Delivery.objects.filter(event=scene).count() == 1
    assert sorted(row.address for row in Delivery.objects.filter(event=end)) == [
        "https://hooks.example.com/",
        OWN,
    ]


def test_a_rolled_back_transaction_emits_nothing(caller, submitted) -> None:
    listen(caller)
    job = submitted(caller, "One.")
    with transaction.atomic():
        cancel.cancel(job.pk)
        transaction.set_rollback(True)
    assert told() == []
    assert Job.objects.get(pk=job.pk).status == "queued"


def test_the_examples_have_the_fields_of_the_real_ones(
    caller, submitted, speak_all
) -> None:
    listen(caller)
    submitted(caller, "One.")
    speak_all()
    scene, job = (data for _, data in told())
    assert job.keys() == JOB_COMPLETED.example.keys()
    assert job["links"].keys() == JOB_COMPLETED.example["links"].keys()
    assert scene.keys() == SCENE_COMPLETED.example.keys()
    assert scene["scene"].keys() == SCENE_COMPLETED.example["scene"].keys()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
    ],
)
def test_a_forbidden_webhook_url_is_refused_at_submit(url) -> None:
    client = factories.api(factories.token())
    body = {"text": "One.", "voice": "unicorn:en-us", "webhook_url": url}
    answer = client.post("/api/v1/jobs", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == ["webhook_url"]
    assert not Job.objects.exists()
