"""A scene that is spoken again: what was heard stays until the new audio is stored."""

import io
import json
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.caller import Caller
from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerTransaction, Usage
from kit.errors import AppError
from providers.contract.base import Failure, ProviderError
from synthesis.jobs import again, cancel, quotes
from synthesis.models import Assembly, Job, Scene, Take
from synthesis.outputs import assemblies
from synthesis.work import dispatch, worker
from tests import factories
from tests.billing.factories import violations
from tests.synthesis import scripted
from tests.synthesis.claim import claim
from tests.synthesis.racing import STARTS, race
from webhooks import endpoints
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


@pytest.fixture
def caller() -> Caller:
    return factories.caller()


@pytest.fixture
def api(caller) -> Client:
    return factories.api(factories.token(caller.user))


@dataclass
class Heard:
    """What a customer gets of the first scene of a job, and of the job."""

    audio: bytes
    voice: str
    words: list[str]
    captions: str
    zipped: list[str]


def heard(api: Client, job: Job) -> Heard:
    root = f"/api/v1/jobs/{job.pk}"
    audio = api.get(f"{root}/scenes/1/audio")
    assert audio.status_code == 200, audio.content
    api.get(f"{root}/zip")
    assemblies.work()
    with zipfile.ZipFile(io.BytesIO(body(api.get(f"{root}/zip")))) as archive:
        zipped = archive.namelist()
    return Heard(
        audio=body(audio),
        voice=audio["X-Voice"],
        words=[w["word"] for w in api.get(f"{root}/scenes/1/words").json()["words"]],
        captions=body(api.get(f"{root}/srt")).decode(),
        zipped=zipped,
    )


def body(response: Any) -> bytes:
    if response.streaming:
        return b"".join(response.streaming_content)
    return bytes(response.content)


def patch(api: Client, job: Job, scene: int = 1, **changes: str) -> Any:
    return api.patch(f"/api/v1/jobs/{job.pk}/scenes/{scene}", changes, JSON)


def shown(api: Client, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    data = api.get(f"/api/v1/jobs/{job.pk}").json()
    return data, data["scenes"][0]


def sums(data: dict[str, Any]) -> tuple[Any, ...]:
    return data["status"], data["cost"], data["charged"], data["refunded"]


def credits(caller: Caller) -> tuple[int, int]:
    told = summary(wallet_of(caller.workspace, caller.environment))
    return told["balance"], told["reserved"]


def test_the_old_take_is_heard_until_the_new_one_is_stored(
    api, caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Old words.", "Other.")
    speak_all()
    before = heard(api, job)

    answer = patch(api, job, text="Quite new.", voice="scripted:two", title="New")

    assert answer.status_code == 202
    assert answer.json()["audio_url"].endswith("/scenes/1/audio")
    assert heard(api, job) == before
    data, scene = shown(api, job)
    assert sums(data) == ("processing", 26, 16, 0)
    assert (scene["status"], scene["voice"]) == ("queued", "scripted:two")
    assert (scene["spoken_by"], scene["duration_ms"]) == ("scripted:one", 200)
    worker.speak(claim())

    after = heard(api, job)
    assert after.audio != before.audio
    assert (after.voice, after.words) == ("scripted:two", ["Quite", "new"])
    assert "Quite new." in after.captions
    assert after.zipped == ["001-new.mp3", "002.mp3"]
    data, scene = shown(api, job)
    assert sums(data) == ("completed", 26, 26, 0)
    assert (scene["spoken_by"], scene["error"]) == ("scripted:two", None)


@pytest.mark.slow("changes a job three times, and fetches all that it shows")
def test_a_canceled_change_leaves_everything_as_it_was(
    api, caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Old words.")
    speak_all()
    before, (data_before, scene_before) = heard(api, job), shown(api, job)
    for is_spoken in (False, True):
        assert patch(api, job, text="Much longer, and new.").status_code == 202
        held = claim() if is_spoken else None

        answer = api.post(f"/api/v1/jobs/{job.pk}/cancel")

        assert answer.status_code == 200
        if held:
            worker.speak(held)  # too late: it has no lease
        assert heard(api, job) == before
        data, scene = shown(api, job)
        assert (data["status"], data["reason"]) == ("completed", "canceled")
        assert scene == scene_before
        assert data["characters"] == data_before["characters"] == 10
        assert data["charged"] == 10
        assert credits(caller) == (4990, 0)

    patch(api, job, text="New now.")
    speak_all()
    data, _ = shown(api, job)
    assert sums(data) == ("completed", 60, 18, 42)
    assert data["reason"] == ""
    assert heard(api, job).words == ["New", "now"]
    assert violations() == {}


def test_a_change_that_fails_leaves_everything_as_it_was_and_says_why(
    api, caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Old words.")
    speak_all()
    before, (_, scene_before) = heard(api, job), shown(api, job)
    with transaction.atomic():
        endpoints.create(
            caller.workspace,
            url="https://hooks.example.com/",
            events=["job.completed", "job.failed", "scene.completed"],
        )
    patch(api, job, text="New, and refused.", voice="scripted:two")
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    speak_all()

    assert heard(api, job) == before
    data, scene = shown(api, job)
    assert sums(data) == ("completed", 27, 10, 17)
    assert (data["reason"], data["characters"]) == ("bad_request", 10)
    assert scene == {
        **scene_before,
        "error": {"code": "bad_request", "detail": "The voice could not speak this."},
    }
    (event,) = Event.objects.all()
    told = json.loads(bytes(event.body))
    assert (told["type"], told["data"]["reason"]) == ("job.completed", "bad_request")
    assert credits(caller) == (4990, 0)
    assert api.post(f"/api/v1/jobs/{job.pk}/retry", {}, JSON).status_code == 409
    assert credits(caller) == (4990, 0)
    assert violations() == {}


def test_pieces_of_a_change_that_failed_are_not_spoken_for_another(
    api, caller, submitted, speak_all
) -> None:
    """Both texts are cut at the same places, so only the render tells them apart."""
    sentences = "{0} sentence of the text, as long as the others are."
    texts = [
        " ".join(sentences.format(word) for word in (first, second))
        for first, second in (
            ("First", "Other"),
            ("Third", "Never"),
            ("Sixth", "Tenth"),
        )
    ]
    job = submitted(caller, texts[0])
    speak_all()
    patch(api, job, text=texts[1])
    scripted.fail_at[len(scripted.calls) + 2] = ProviderError(Failure.BAD_REQUEST, "no")
    speak_all()
    assert shown(api, job)[0]["reason"] == "bad_request"
    scripted.calls.clear()
    scripted.fail_at.clear()

    patch(api, job, text=texts[2])
    speak_all()

    assert [call.split()[0] for call in scripted.calls] == ["Sixth", "Tenth"]
    assert heard(api, job).words[0] == "Sixth"
    assert sums(shown(api, job)[0])[2] == len(texts[0]) + len(texts[2])


def test_a_title_alone_is_changed_at_once_for_nothing(
    api, caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Old words.")
    speak_all()
    before, postings = heard(api, job), LedgerTransaction.objects.count()
    files = list(Scene.objects.values_list("audio", "words", "render"))
    scripted.calls.clear()

    answer = patch(api, job, title="Dawn")

    assert (answer.status_code, answer.json()["title"]) == (200, "Dawn")
    assert speak_all() == 0
    assert scripted.calls == []
    assert sums(shown(api, job)[0]) == ("completed", 10, 10, 0)
    assert LedgerTransaction.objects.count() == postings
    assert list(Scene.objects.values_list("audio", "words", "render")) == files
    after = heard(api, job)
    assert after == Heard(**{**vars(before), "zipped": ["001-dawn.mp3"]})
    assert Assembly.objects.filter(superseded_at=None).count() == 1


def test_a_job_whose_other_scenes_are_canceled_keeps_the_take(
    api, caller, submitted
) -> None:
    job = submitted(caller, "Old words.", "Never spoken.")
    worker.speak(claim())
    patch(api, job, text="New words.")

    api.post(f"/api/v1/jobs/{job.pk}/cancel")

    data, scene = shown(api, job)
    assert sums(data) == ("canceled", 33, 10, 23)
    assert (data["reason"], scene["status"]) == ("", "completed")
    assert heard(api, job).words == ["Old", "words"]


def test_a_change_on_a_fallback_voice_can_fail_too(api, caller, submitted, speak_all):
    job = submitted(caller, "Old words.", fallback=["unicorn:en-us"])
    speak_all()
    before = heard(api, job)
    patch(api, job, text="New words!")
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    worker.speak(claim())
    held = claim("local")
    assert (held.speaker, held.render) == ("unicorn:en-us", 3)

    api.post(f"/api/v1/jobs/{job.pk}/cancel")

    assert heard(api, job) == before
    scene = job.scenes.get()
    assert (scene.render, scene.last_render, scene.spoken_by) == (1, 3, "")
    superseded = Take.objects.exclude(superseded_at=None).values_list("render")
    assert sorted(superseded) == [(2,), (3,)]


def test_a_job_is_limited_as_a_whole(api, caller, submitted, speak_all, monkeypatch):
    monkeypatch.setattr(quotes, "MAX_CHARACTERS", 30)
    job = submitted(caller, "x" * 15, "y" * 15)
    speak_all()
    before = credits(caller)
    for scene, text in ((1, "z" * 16), (2, "z" * 30)):
        answer = patch(api, job, scene, text=text)
        assert (answer.status_code, answer.json()["code"]) == (400, "text_too_long")
        assert answer.json()["params"]["characters"] == 15 + len(text)
    assert credits(caller) == before
    # What is being replaced may come back, so it still counts.
    assert patch(api, job, 1, text="short").status_code == 202
    assert patch(api, job, 2, text="z" * 16).status_code == 400
    speak_all()
    assert patch(api, job, 2, text="z" * 25).status_code == 202
    assert patch(api, job, 1, text="z" * 6).status_code == 400
    speak_all()
    assert shown(api, job)[0]["characters"] == 30


def test_a_replay_of_speech_is_the_first_answer(api, voices, speak_all) -> None:
    def speak() -> Any:
        return api.post(
            "/api/v1/speech",
            {"input": "Old words.", "voice": "scripted:one"},
            JSON,
            headers={"Idempotency-Key": "k"},
        )

    first = speak()
    job = Job.objects.get()
    for is_spoken in (False, True):
        if is_spoken:
            speak_all()
        else:
            assert patch(api, job, text="New, longer words.").status_code == 202
        again_ = speak()
        assert again_["Idempotent-Replayed"] == "true"
        assert (again_.content, again_["X-Voice"]) == (first.content, first["X-Voice"])
    assert heard(api, job).words == ["New", "longer", "words"]
    job.refresh_from_db()
    assert job.charged == 10 + 18


def test_changed_speech_survives_its_worker(api, voices, speak_all) -> None:
    api.post("/api/v1/speech", {"input": "Old.", "voice": "scripted:one"}, JSON)
    job = Job.objects.get()
    patch(api, job, text="New words.")
    claim()
    Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    dispatch.sweep()  # the worker has died

    assert shown(api, job)[1]["status"] == "queued"
    speak_all()
    assert sums(shown(api, job)[0]) == ("completed", 14, 14, 0)
    assert heard(api, job).words == ["New", "words"]


@pytest.mark.parametrize("waits", STARTS)
def test_a_new_take_is_stored_while_it_is_canceled(
    api, caller, submitted, speak_all, waits
) -> None:
    """Either the new audio is heard and paid for, or the old one is; never neither."""
    job = submitted(caller, "Old words.")
    speak_all()
    patch(api, job, text="Quite new.")
    held = claim()

    def stop() -> Job:
        with transaction.atomic(durable=True):
            return cancel.cancel(job.pk)

    _, canceled = race(lambda: worker.speak(held), stop, waits)

    data, _ = shown(api, job)
    words = heard(api, job).words
    if isinstance(canceled, AppError):
        assert (words, *sums(data)) == (["Quite", "new"], "completed", 20, 20, 0)
    else:
        assert (words, *sums(data)) == (["Old", "words"], "completed", 20, 10, 10)
    assert credits(caller) == (5000 - data["charged"], 0)
    assert violations() == {}


def test_an_assembly_is_not_made_of_what_came_later(
    api, caller, submitted, speak_all
) -> None:
    job = submitted(caller, "Old words.")
    speak_all()
    api.get(f"/api/v1/jobs/{job.pk}/audio")
    patch(api, job, text="New words, later.")
    speak_all()

    assemblies.work()

    assert [(row.status, row.file) for row in Assembly.objects.all()] == [
        ("failed", "")
    ]
    assert heard(api, job).zipped == ["001.mp3"]


STEPS = st.lists(
    st.sampled_from(
        ["text", "voice", "title", "speak", "fail", "die", "cancel", "retry", "pause"]
    ),
    max_size=12,
)


@pytest.mark.slow("speaks dozens of jobs")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_paid_audio_is_always_heard_and_paid_once(submitted, speak_all, steps) -> None:
    """Whatever happens to a scene, its last audio is heard, and each is paid for once."""
    caller = factories.caller()
    api = factories.api(factories.token(caller.user))
    job = submitted(caller, "Take zero.")
    spoken: list[str] = []  # texts whose audio was stored, in order
    wanted = "Take zero."
    for number, step in enumerate(steps, 1):
        match step:
            case "text" | "voice":
                changes = {"text": f"Take {number}."}
                if step == "voice":
                    changes["voice"] = "scripted:two"
                if patch(api, job, 1, **changes).status_code == 202:
                    wanted = changes["text"]
            case "title":
                patch(api, job, title=f"Title {number}")
            case "speak" | "fail" | "die":
                waiting = Scene.objects.waiting().filter(job=job).exists()
                if waiting and step == "die":
                    claim()
                    past = timezone.now() - timedelta(seconds=1)
                    Scene.objects.filter(job=job).update(lease_until=past)
                    dispatch.sweep()
                elif waiting and step == "fail":
                    scripted.failures[:] = [ProviderError(Failure.BAD_REQUEST, "no")]
                    worker.speak(claim())
                elif waiting:
                    worker.speak(claim())
                    spoken.append(wanted)
            case "pause":
                act(cancel.pause, job.pk)
                act(cancel.resume, job.pk)
            case "cancel":
                act(cancel.cancel, job.pk)
            case "retry":
                act(again.retry, caller, job.pk)
        scene = Scene.objects.select_related("take").get(job=job)
        audio = api.get(f"/api/v1/jobs/{job.pk}/scenes/1/audio").status_code
        assert audio == (200 if spoken else 409)
        if spoken:
            assert scene.heard.text == spoken[-1]
        job.refresh_from_db()
        assert job.charged == sum(map(len, spoken))
        assert job.characters == scene.characters
        if job.is_finished:
            assert job.cost == job.charged + job.refunded
            assert (job.status == "completed") == bool(spoken)
    assert Usage.objects.filter(job=str(job.pk)).count() == len(spoken)
    act(cancel.cancel, job.pk)
    assert credits(caller)[1] == 0
    assert violations() == {}
    call_command("verify_ledger", verbosity=0)


def act(action: Any, *args: Any) -> None:
    try:
        with transaction.atomic(durable=True):
            action(*args)
    except AppError:
        pass
