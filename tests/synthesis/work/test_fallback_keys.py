"""Fallback voices use the key that was quoted, and never ours instead of an own key."""

import json

import pytest

from billing.ledger.wallets import summary, wallet_of
from billing.models import Usage
from providers.contract import registry
from providers.contract.base import Failure, ProviderError
from providers.keys import using
from providers.models import Provider, ProviderKey, Voice
from synthesis.models import Job
from synthesis.work import fallbacks
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
TEXT = "Hello there."
OURS, OWN, OTHER = "0ur-k3y-of-a-test", "own-k3y-of-a-test", "other-k3y-of-a-test"


@pytest.fixture(autouse=True)
def second(voices, monkeypatch):
    """A provider like the scripted one at three times the price."""
    monkeypatch.setitem(
        registry.ADAPTERS, "second", "tests.synthesis.scripted.Scripted"
    )
    row = Provider.objects.create(slug="second", name="Second", cost_multiplier=3)
    Voice.objects.create(
        id="second:one", provider=row, provider_voice="one", name="S", language="en"
    )
    monkeypatch.setenv("SCRIPTED_API_KEY", OURS)
    monkeypatch.setenv("SECOND_API_KEY", OURS)


@pytest.fixture
def caller():
    return factories.caller()


@pytest.fixture
def credits(caller):
    wallet = wallet_of(caller.workspace, "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


def own(caller, slug: str, key: str = OWN) -> ProviderKey:
    return factories.provider_key(caller.workspace, slug, key)


def refuse(times: int = 1) -> None:
    scripted.failures.extend([ProviderError(Failure.BAD_REQUEST)] * times)


@pytest.mark.parametrize("fate", ["removed", "refused"])
def test_a_fallback_whose_own_key_was_removed_is_skipped(
    submitted, speak_all, caller, credits, fate
) -> None:
    """Its price was not compared when quoting, so our key would be undercharged."""
    key = own(caller, "second")
    job = submitted(caller, TEXT, fallback=["second:one"])
    assert (job.cost, job.fallback_prices) == (12, {"second:one": None})
    if fate == "removed":
        key.delete()
    else:
        ProviderKey.objects.update(failure="bad_key", failed_at=key.checked_at)
    refuse()
    speak_all()
    job.refresh_from_db()
    scene = job.scenes.get()
    assert (scene.status, scene.error_code, scene.speaker) == (
        "failed",
        "bad_request",
        "scripted:one",
    )
    assert (job.charged, job.refunded, credits()) == (0, 12, (5000, 0))
    assert scripted.keys_used == [OURS]


def test_the_next_fallback_is_tried_after_a_skipped_one(
    submitted, speak_all, caller
) -> None:
    key = own(caller, "second")
    job = submitted(caller, TEXT, fallback=["second:one", "scripted:two"])
    key.delete()
    refuse()
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.scenes.get().speaker) == ("completed", "scripted:two")
    assert (job.charged, scripted.keys_used) == (12, [OURS, OURS])


def test_a_key_that_was_added_later_changes_no_price(
    submitted, speak_all, caller, credits
) -> None:
    """The key is decided when the job is submitted."""
    job = submitted(caller, TEXT, fallback=["scripted:two"])
    assert job.fallback_prices == {"scripted:two": "1.000"}
    own(caller, "scripted")
    refuse()
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.charged, credits()) == ("completed", 12, (4988, 0))
    assert scripted.keys_used == [OURS, OURS]


def test_a_fallback_may_use_another_own_key(
    submitted, speak_all, caller, credits
) -> None:
    own(caller, "scripted")
    own(caller, "second", OTHER)
    job = submitted(caller, TEXT, fallback=["second:one"])
    refuse()
    speak_all()
    job.refresh_from_db()
    scene = job.scenes.get()
    assert (scene.status, scene.speaker) == ("completed", "second:one")
    assert scene.credential == using.credential_of(caller.workspace.pk)
    assert scripted.keys_used == [OWN, OTHER]
    assert (job.cost, job.charged, credits()) == (0, 0, (5000, 0))


def test_an_own_key_that_fails_gives_way_to_ours_where_ours_was_asked_for(
    submitted, speak_all, caller, credits
) -> None:
    own(caller, "second", OTHER)
    job = submitted(caller, TEXT, fallback=["second:one", "unicorn:en-us"])
    assert job.fallback_prices == {"second:one": None, "unicorn:en-us": "1.000"}
    refuse(2)
    speak_all()
    speak_all()
    job.refresh_from_db()
    scene = job.scenes.get()
    assert (scene.status, scene.speaker) == ("completed", "unicorn:en-us")
    assert (scene.credential, scene.spoken_cost) == ("platform", 12)
    assert scripted.keys_used == [OURS, OTHER]
    assert (job.charged, job.refunded, credits()) == (12, 0, (4988, 0))
    assert Usage.objects.get().billed_to == "credits"


def test_a_scene_of_an_own_key_never_goes_to_ours(submitted, speak_all, caller) -> None:
    own(caller, "scripted")
    key = own(caller, "second", OTHER)
    job = submitted(caller, TEXT, fallback=["second:one", "unicorn:en-us"])
    key.delete()
    refuse()
    speak_all()
    scene = job.scenes.get()
    assert (scene.status, scene.speaker) == ("failed", "scripted:one")
    assert scripted.keys_used == [OWN]


def test_a_retry_by_an_own_key_goes_to_own_keys_alone(
    submitted, speak_all, caller, credits
) -> None:
    job = submitted(caller, TEXT, fallback=["unicorn:en-us"])
    fallbacks.give_up(claim(), "internal_error")
    own(caller, "scripted")
    answer = factories.api(factories.token(caller.user)).post(
        f"/api/v1/jobs/{job.pk}/retry", "{}", content_type="application/json"
    )
    assert answer.status_code == 202
    refuse()
    speak_all()
    scene = job.scenes.get()
    assert (scene.status, scene.speaker) == ("failed", "scripted:one")
    assert (scripted.keys_used, credits()) == ([OWN], (5000, 0))


def test_a_scene_edited_to_a_cheaper_voice_skips_dearer_fallbacks(
    submitted, speak_all, caller, credits
) -> None:
    job = submitted(
        caller, TEXT, voice="second:one", fallback=["second:one", "scripted:two"]
    )
    speak_all()
    assert credits() == (4964, 0)
    scene = job.scenes.get()
    answer = factories.api(factories.token(caller.user)).patch(
        f"/api/v1/jobs/{job.pk}/scenes/{scene.pk}",
        json.dumps({"voice": "scripted:one"}),
        content_type="application/json",
    )
    assert answer.status_code == 202
    refuse()
    speak_all()
    scene.refresh_from_db()
    assert (scene.status, scene.speaker) == ("completed", "scripted:two")
    assert Job.objects.get().charged == 48
    assert credits() == (4952, 0)
