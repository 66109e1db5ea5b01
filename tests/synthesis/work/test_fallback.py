"""Fallback voices: which one takes over, when and at what price."""

import json

import pytest

from billing.ledger.wallets import summary, wallet_of
from billing.models import Usage
from kit.work import claims
from providers.contract.base import Failure, ProviderError
from providers.keys import using
from providers.models import Provider, Voice
from synthesis.errors import INTERNAL_ERROR
from synthesis.models import Job, Piece, Scene
from synthesis.work import dispatch, fallbacks, worker
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim
from tests.synthesis.clock import let_pass

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
FALLBACK = ["unicorn:en-us"]
TEXT = "A sentence of the first piece, which is spoken well. And another that is not."


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


@pytest.fixture
def dear():
    """The scripted provider costs three times as much as the built-in voice."""
    Provider.objects.filter(slug="scripted").update(cost_multiplier=3)


def post(owner, **order: object):
    return factories.api(factories.token(owner)).post(
        "/api/v1/jobs",
        json.dumps({"text": "Hello there.", "voice": "scripted:one"} | order),
        content_type="application/json",
    )


@pytest.mark.parametrize(
    "kind", [Failure.UNKNOWN_VOICE, Failure.BAD_REQUEST, Failure.UNSPEAKABLE]
)
def test_a_refused_scene_goes_to_its_fallback_voice(
    submitted, speak_all, owner, credits, dear, kind
) -> None:
    job = submitted(factories.caller(owner), TEXT, fallback=FALLBACK)
    assert credits() == (5000 - 3 * len(TEXT), 3 * len(TEXT))
    scripted.fail_at[2] = ProviderError(kind)

    speak_all()
    speak_all()

    scene = job.scenes.get()
    assert (scene.status, scene.voice, scene.speaker) == (
        "completed",
        "scripted:one",
        "unicorn:en-us",
    )
    assert (scene.cost, scene.price) == (3 * len(TEXT), len(TEXT))
    job.refresh_from_db()
    assert (job.status, job.cost, job.charged, job.refunded) == (
        "completed",
        3 * len(TEXT),
        len(TEXT),
        2 * len(TEXT),
    )
    assert credits() == (5000 - len(TEXT), 0)
    # The first voice's piece is there and not in the audio.
    renders = list(Piece.objects.order_by("render").values_list("render", flat=True))
    assert renders == [1, 2]


def test_clients_see_the_voice_that_was_used(owner, speak_all) -> None:
    answer = post(owner, fallback=FALLBACK)
    assert answer.status_code == 202
    shown = answer.json()["scenes"][0]
    assert (shown["voice"], shown["spoken_by"]) == ("scripted:one", None)
    scripted.failures.append(ProviderError(Failure.UNKNOWN_VOICE))
    speak_all()
    speak_all()
    url = f"/api/v1/jobs/{answer.json()['transaction_id']}"
    client = factories.api(factories.token(owner))
    shown = client.get(url).json()["scenes"][0]
    assert (shown["voice"], shown["spoken_by"]) == ("scripted:one", "unicorn:en-us")
    assert client.get(shown["audio_url"])["X-Voice"] == "unicorn:en-us"


def test_a_dearer_fallback_is_refused_and_nothing_is_held(owner, credits) -> None:
    Provider.objects.filter(slug="unicorn").update(cost_multiplier="1.001")
    answer = post(owner, fallback=FALLBACK)
    assert (answer.status_code, answer.json()["code"]) == (400, "fallback_dearer")
    assert (Job.objects.count(), credits()) == (0, (5000, 0))


def test_a_fallback_that_became_dearer_costs_what_was_quoted(
    submitted, speak_all, owner, credits
) -> None:
    job = submitted(factories.caller(owner), "Hello there.", fallback=FALLBACK)
    Provider.objects.filter(slug="unicorn").update(cost_multiplier=9)
    scripted.failures.append(ProviderError(Failure.UNKNOWN_VOICE))
    speak_all()
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.cost, job.charged, job.refunded) == ("completed", 12, 12, 0)
    assert credits() == (4988, 0)


def test_tries_are_used_up_first(submitted, speak_all) -> None:
    job = submitted(factories.caller(), "Hello there.", fallback=FALLBACK)
    scripted.failures.extend(
        ProviderError(kind) for kind in [Failure.DOWN, Failure.UNKNOWN_VOICE]
    )
    worker.work("remote")
    let_pass(60)
    worker.work("remote")
    assert job.scenes.get().speaker == "unicorn:en-us"
    assert len(scripted.calls) == 2
    speak_all()
    job.refresh_from_db()
    assert job.status == "completed"


def test_an_outage_leads_to_a_fallback_after_a_minute(
    submitted, owner, credits
) -> None:
    asked = submitted(factories.caller(owner), *["Hello there."] * 8, fallback=FALLBACK)
    other = submitted(factories.caller(), *["I wait."] * 8)
    scripted.failures.extend(ProviderError(Failure.DOWN) for _ in range(99))
    worker.work("remote")
    let_pass(58)
    dispatch.sweep()
    assert asked.scenes.filter(spoken_by="").count() == 8
    let_pass(60)  # some were tried again meanwhile, and wait since then
    dispatch.sweep()

    assert asked.scenes.filter(spoken_by="unicorn:en-us").count() == 8
    assert other.scenes.filter(status="queued", spoken_by="").count() == 8
    worker.work("local")
    asked.refresh_from_db()
    assert (asked.status, asked.charged) == ("completed", 96)
    assert credits() == (4904, 0)


def test_voices_are_taken_in_order_and_once(submitted, speak_all) -> None:
    """Fallbacks: a disabled voice, the voice itself, one that fails, one that works."""
    Voice.objects.filter(pk="unicorn:en-gb").update(is_enabled=False)
    job = submitted(factories.caller(), "Hello there.")
    Job.objects.update(
        fallback=["unicorn:en-gb", "scripted:one", "scripted:two", "unicorn:en-us"]
    )
    Scene.objects.update(fallbacks_left=4)
    scripted.failures.extend(
        ProviderError(kind) for kind in [Failure.UNKNOWN_VOICE, Failure.UNSPEAKABLE]
    )
    for _ in range(3):
        speak_all()
    scene = job.scenes.get()
    assert (scene.status, scene.speaker, scene.fallbacks_left, scene.render) == (
        "completed",
        "unicorn:en-us",
        0,
        3,
    )


def test_when_all_fail_the_scene_fails_with_the_last_reason(
    submitted, speak_all, owner, credits
) -> None:
    job = submitted(factories.caller(owner), "Hello there.", fallback=["scripted:two"])
    scripted.failures.extend(
        ProviderError(kind) for kind in [Failure.UNKNOWN_VOICE, Failure.UNSPEAKABLE]
    )
    speak_all()
    scene = job.scenes.get()
    assert (scene.status, scene.error_code, scene.fallbacks_left) == (
        "failed",
        "unspeakable",
        0,
    )
    assert credits() == (5000, 0)


def test_a_retry_begins_with_the_voice_that_was_asked_for(
    submitted, speak_all, owner, credits
) -> None:
    job = submitted(factories.caller(owner), "Hello there.", fallback=["scripted:two"])
    scripted.failures.extend(
        ProviderError(kind) for kind in [Failure.UNKNOWN_VOICE, Failure.UNSPEAKABLE]
    )
    speak_all()
    answer = factories.api(factories.token(owner)).post(
        f"/api/v1/jobs/{job.pk}/retry", "{}", content_type="application/json"
    )
    assert answer.status_code == 202
    scene = job.scenes.get()
    assert (scene.speaker, scene.fallbacks_left, scene.render, scene.spoken_cost) == (
        "scripted:one",
        1,
        3,
        None,
    )
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.cost, job.charged, job.refunded) == (
        "completed",
        24,
        12,
        12,
    )
    assert credits() == (4988, 0)


def test_internal_errors_use_no_fallback(submitted) -> None:
    job = submitted(factories.caller(), "Hello there.", fallback=FALLBACK)
    fallbacks.give_up(claim(), INTERNAL_ERROR)
    scene = job.scenes.get()
    assert (scene.status, scene.error_code, scene.speaker) == (
        "failed",
        "internal_error",
        "scripted:one",
    )


def test_our_key_never_replaces_an_own_key(submitted, speak_all) -> None:
    Provider.objects.create(slug="openai", name="OpenAI")
    caller = factories.caller()
    factories.provider_key(caller.workspace, "scripted", "own-k3y-of-a-test")
    job = submitted(caller, "Hello there.", fallback=["unicorn:en-us", "scripted:two"])
    scripted.failures += [ProviderError(Failure.QUOTA)] * 2
    speak_all()
    scene = job.scenes.get()
    # Another voice of the key was asked for too; ours alone could have spoken unicorn's.
    assert (scene.status, scene.error_code, scene.speaker) == (
        "failed",
        "quota",
        "scripted:two",
    )
    assert scene.credential == using.credential_of(caller.workspace.pk)
    assert len(scripted.calls) == 2


def test_a_fallback_with_an_own_key_is_free(
    submitted, speak_all, owner, credits
) -> None:
    caller = factories.caller(owner)
    factories.provider_key(caller.workspace, "scripted", "own-k3y-of-a-test")
    job = submitted(
        caller, "Hello there.", voice="unicorn:en-us", fallback=["scripted:two"]
    )
    assert (job.cost, credits()) == (12, (4988, 12))
    fallbacks.give_up(claim("local"), "down")
    speak_all()
    job.refresh_from_db()
    scene = job.scenes.get()
    assert (scene.status, scene.speaker) == ("completed", "scripted:two")
    assert scene.credential == using.credential_of(caller.workspace.pk)
    assert (job.charged, job.refunded, credits()) == (0, 12, (5000, 0))
    assert Usage.objects.get().billed_to == "own_key"


def test_a_lost_claim_changes_nothing(submitted) -> None:
    submitted(factories.caller(), "Hello there.", fallback=FALLBACK)
    held = claim()
    Scene.objects.update(fence=7)
    with pytest.raises(claims.LeaseLost):
        fallbacks.give_up(held, "down")
    assert Scene.objects.get().speaker == "scripted:one"
