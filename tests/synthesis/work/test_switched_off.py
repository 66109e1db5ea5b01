"""What operators switch off is called no more, by whatever waits."""

import pytest
from django.db import transaction

from billing.ledger.wallets import summary, wallet_of
from providers.catalogue import samples as asking
from providers.contract.base import Failure, ProviderError
from providers.limits import upstreams
from providers.models import Provider, Sample, Voice
from synthesis.models import Piece, Scene
from synthesis.samples import making
from synthesis.work import dispatch, worker
from tests import factories
from tests.synthesis import scripted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
SENTENCE = "The first sentence is spoken before all the others."
TEXT = f"{SENTENCE} And this one comes after."


@pytest.fixture
def caller():
    return factories.caller()


@pytest.fixture
def credits(caller):
    wallet = wallet_of(caller.workspace, "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


def switch_off(what: str) -> None:
    if what == "provider":
        Provider.objects.filter(slug="scripted").update(is_enabled=False)
    else:
        Voice.objects.filter(pk="scripted:one").update(is_enabled=False)


@pytest.mark.parametrize("what", ["provider", "voice"])
def test_a_scene_that_waits_fails_and_costs_nothing(
    submitted, caller, credits, what
) -> None:
    job = submitted(caller, "Hello there.")
    assert credits() == (4988, 12)
    switch_off(what)
    worker.work("remote")
    job.refresh_from_db()
    scene = job.scenes.get()
    assert (scene.status, scene.error_code) == ("failed", "switched_off")
    assert (job.status, job.charged, job.refunded) == ("failed", 0, 12)
    assert (credits(), scripted.calls) == ((5000, 0), [])
    client = factories.api(factories.token(caller.user))
    told = client.get(f"/api/v1/jobs/{job.pk}").json()["scenes"][0]["error"]
    assert told == {
        "code": "switched_off",
        "detail": "The voice was switched off here.",
    }


@pytest.mark.parametrize("what", ["provider", "voice"])
def test_a_scene_that_waits_goes_to_its_fallback_voice(
    submitted, speak_all, caller, credits, what
) -> None:
    job = submitted(caller, "Hello there.", fallback=["unicorn:en-us"])
    switch_off(what)
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.scenes.get().speaker) == ("completed", "unicorn:en-us")
    assert (job.charged, credits(), scripted.calls) == (12, (4988, 0), [])


def test_a_book_stops_between_two_calls(
    submitted, caller, credits, monkeypatch
) -> None:
    speak = scripted.Scripted.speak

    def spoken(self, request, access):
        switch_off("provider")
        return speak(self, request, access)

    monkeypatch.setattr(scripted.Scripted, "speak", spoken)
    job = submitted(caller, TEXT)
    worker.work("remote")
    assert scripted.calls == [SENTENCE]
    assert job.scenes.get().error_code == "switched_off"
    assert Piece.objects.count() == 1
    assert credits() == (5000, 0)


def test_what_may_not_be_claimed_is_ended_too(submitted, caller, credits) -> None:
    row = upstreams.upstream_of(Provider.objects.get(slug="scripted"))
    permit = upstreams.Permit(row, is_probe=False, is_retry=False)
    upstreams.record_failure(permit, Failure.BUSY, seconds=0, retry_after=3600)
    waiting = submitted(caller, "Hello there.")
    paused = submitted(caller, "Hello again.")
    Scene.objects.filter(job=paused).update(is_held=True)
    other = submitted(caller, "Hello you.", voice="unicorn:en-us")
    assert worker.work("remote") == 0
    dispatch.sweep()
    assert waiting.scenes.get().status == "queued"
    switch_off("provider")
    dispatch.sweep()
    assert waiting.scenes.get().error_code == "switched_off"
    assert paused.scenes.get().status == "queued"
    assert other.scenes.get().status == "queued"
    assert (credits(), scripted.calls) == ((4978, 22), [])


def test_speech_at_once_that_meets_it_costs_nothing(
    caller, credits, monkeypatch
) -> None:
    scripted.failures.append(ProviderError(Failure.SWITCHED_OFF))
    answer = factories.api(factories.token(caller.user)).post(
        "/api/v1/speech",
        {"input": "Hello.", "voice": "scripted:one"},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert credits() == (5000, 0)


def test_samples_are_not_made() -> None:
    with transaction.atomic():
        asking.queue(Voice.objects.filter(pk="scripted:one"))
    switch_off("voice")
    making.work("remote")
    sample = Sample.objects.get()
    assert (sample.status, sample.error_code) == ("failed", "switched_off")
    assert scripted.calls == []
