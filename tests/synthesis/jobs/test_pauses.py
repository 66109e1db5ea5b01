"""Texts in which there is nothing to say: refused alone, a free pause among others."""

import json

import pytest

from billing.ledger.wallets import summary, wallet_of
from synthesis.models import Job, Scene
from synthesis.outputs.assemblies import captions_of
from synthesis.outputs.captions import srt
from tests import factories
from tests.cases import cases
from tests.synthesis import scripted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def api(owner):
    return factories.api(factories.token(owner))


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


def post(client, path: str, body: object):
    url = f"/api/v1/{path}"
    return client.post(url, json.dumps(body), content_type="application/json")


NOTHING = ["-->", "* * *", "…", "🎉🎉", "\u0301"]


def test_a_text_without_a_word_is_refused_at_every_door(api, credits) -> None:
    for (text, path), case in cases(
        (text, path) for text in NOTHING for path in ("speech", "estimate", "jobs")
    ):
        with case:
            name = "input" if path == "speech" else "text"
            answer = post(api, path, {name: text, "voice": "unicorn:en-us"})
            assert (answer.status_code, answer.json()["code"]) == (400, "empty_text")
    assert Job.objects.count() == 0
    assert credits() == (5000, 0)


def test_a_scene_without_a_word_is_a_free_pause(api, credits, speak_all) -> None:
    scenes = [{"text": "One."}, {"text": "* * *"}, {"text": "Two."}]
    order = {"scenes": scenes, "voice": "scripted:one"}
    estimate = post(api, "estimate", order)
    assert (estimate.json()["cost"], estimate.json()["characters"]) == (8, 8)
    answer = post(api, "jobs", order)
    assert answer.status_code == 202

    speak_all()

    job = Job.objects.get()
    assert (job.status, job.charged, job.characters) == (Job.Status.COMPLETED, 8, 8)
    pause = job.scenes.get(index=2)
    assert (pause.status, pause.duration_ms, pause.cost) == (
        Scene.Status.COMPLETED,
        1_000,
        0,
    )
    assert scripted.calls == ["One.", "Two."]
    assert credits() == (4_992, 0)
    lines = "".join(srt(captions_of(job))).splitlines()
    assert [line for line in lines if line[:1].isalpha() or "*" in line] == [
        "One.",
        "Two.",
    ]
