"""Own keys: speech is free, and our key never replaces them."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.caller import Environment
from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerTransaction, Usage
from kit.secrets import Secret
from providers.catalogue import sync
from providers.contract.base import Failure, ProviderError
from providers.errors import OwnKeyRefused
from providers.keys import using
from providers.models import Provider, ProviderKey, Voice
from synthesis.errors import (
    GuestProvider,
    ProviderUnavailable,
    SandboxProvider,
)
from synthesis.jobs import again, cancel, quotes
from synthesis.jobs.quotes import Order, RequestedScene
from synthesis.models import Job, Scene
from tests import factories
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.server import serving
from tests.synthesis import scripted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]

OWN = "own-k3y-of-a-test"
OURS = "0ur-k3y-of-a-test"


@pytest.fixture(autouse=True)
def bells(monkeypatch):
    monkeypatch.setenv("SCRIPTED_API_KEY", OURS)
    rung = []
    for name in ("ring", "ring_soon"):  # at once, not by the thread
        monkeypatch.setattr(
            f"kit.work.bells.{name}",
            lambda task, *args, **more: rung.append((task, more)),
        )
    return rung


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def caller(owner):
    return factories.caller(owner)


@pytest.fixture
def own(owner):
    return factories.provider_key(factories.workspace(owner), "scripted", OWN)


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


@pytest.fixture
def api(owner):
    return factories.api(factories.token(owner))


def post(client, path: str, body: object, **headers: str):
    return client.post(
        f"/api/v1/{path}",
        json.dumps(body),
        content_type="application/json",
        headers=headers,
    )


def test_a_job_by_an_own_key_costs_nothing(own, submitted, caller, speak_all, credits):
    job = submitted(caller, "One.", "Two.")
    assert (job.cost, job.billed_to) == (0, "own_key")
    assert {scene.credential for scene in job.scenes.all()} == {
        using.credential_of(caller.workspace.pk)
    }
    speak_all()
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("completed", 0, 0)
    assert scripted.keys_used == [OWN, OWN]
    assert credits() == (5000, 0)
    assert not LedgerTransaction.objects.filter(kind__in=["reserve", "capture"])


def test_a_workspace_without_a_key_pays(own, submitted, speak_all):
    job = submitted(factories.caller(), "Three.")
    assert (job.cost, job.billed_to) == (6, "credits")
    speak_all()
    assert scripted.keys_used == [OURS]


def test_some_scenes_by_an_own_key_and_some_by_ours(
    own, api, caller, speak_all, credits
):
    body = {
        "scenes": [
            {"text": "Free.", "voice": "scripted:one"},
            {"text": "Paid for.", "voice": "unicorn:en-us"},
        ]
    }
    estimate = post(api, "estimate", body).json()
    assert (estimate["cost"], estimate["characters"]) == (9, 14)
    refused = post(api, "jobs", body | {"max_cost": 8})
    assert refused.json()["code"] == "price_changed"
    job = post(api, "jobs", body | {"max_cost": 9}).json()
    assert (job["cost"], job["billed_to"]) == (9, "credits")
    assert credits() == (4991, 9)
    speak_all()
    done = api.get(f"/api/v1/jobs/{job['transaction_id']}").json()
    assert (done["status"], done["charged"], done["refunded"]) == ("completed", 9, 0)
    assert scripted.keys_used == [OWN]
    assert credits() == (4991, 0)
    charged = Usage.objects.order_by("provider").values_list(
        "provider", "credits", "billed_to"
    )
    assert list(charged) == [("scripted", 0, "own_key"), ("unicorn", 9, "credits")]


def test_speech_at_once_by_an_own_key(own, api, credits):
    answer = post(api, "speech", {"input": "At once.", "voice": "scripted:one"})
    told = answer.json()
    assert (told["cost"], told["billed_to"]) == (0, "own_key")
    assert told["split"] == {"subscription": 0, "credits": 0}
    assert scripted.keys_used == [OWN]
    assert credits() == (5000, 0)


@pytest.mark.parametrize("path", ["jobs", "speech"])
def test_a_key_that_was_removed_is_not_replaced_by_ours(
    own, api, submitted, caller, speak_all, credits, monkeypatch, path
):
    if path == "jobs":
        job = submitted(caller, "Too late.")
        own.delete()
        speak_all()
        told = api.get(f"/api/v1/jobs/{job.pk}").json()
        error = told["scenes"][0]["error"]
        assert error["code"] == "own_key_missing"
        assert "removed" in error["detail"]
    else:
        access_for_credential = using.access_for_credential

        def removed(provider, credential):
            ProviderKey.objects.all().delete()
            return access_for_credential(provider, credential)

        monkeypatch.setattr(using, "access_for_credential", removed)
        answer = post(api, "speech", {"input": "Late.", "voice": "scripted:one"})
        assert (answer.status_code, answer.json()["code"]) == (409, "own_key_missing")
    assert Job.objects.get().status == "failed"
    assert scripted.calls == []
    assert credits() == (5000, 0)


@pytest.mark.parametrize("path", ["jobs", "speech"])
def test_a_key_that_is_refused_fails_the_scene_and_is_checked(
    own, api, submitted, caller, speak_all, credits, bells, path
):
    scripted.failures.append(ProviderError(Failure.BAD_KEY, "401"))
    if path == "jobs":
        job = submitted(caller, "No.")
        speak_all()
        told = api.get(f"/api/v1/jobs/{job.pk}").json()
        assert told["scenes"][0]["error"]["code"] == "own_key_refused"
    else:
        answer = post(api, "speech", {"input": "No.", "voice": "scripted:one"})
        assert (answer.status_code, answer.json()["code"]) == (409, "own_key_refused")
    assert (Job.objects.get().status, Job.objects.get().charged) == ("failed", 0)
    assert scripted.keys_used == [OWN]
    assert ("providers.tasks.check_key", {"args": [str(own.pk)]}) in [
        (task, more) for task, more in bells if "count" not in more
    ]
    own.refresh_from_db()
    assert own.failure == ""  # the check decides
    assert credits() == (5000, 0)


def test_our_own_bad_key_is_not_a_customers(submitted, caller, speak_all, bells):
    scripted.failures.append(ProviderError(Failure.BAD_KEY, "401"))
    job = submitted(caller, "No.")
    speak_all()
    scene = job.scenes.get()
    assert (scene.status, scene.error_code) == ("queued", "")  # until operators fix it
    assert not [task for task, _ in bells if task == using.CHECK]


def test_a_key_known_to_be_refused_is_an_error(own, caller, api, credits):
    ProviderKey.objects.update(failure="bad_key", failed_at=timezone.now())
    order = Order([RequestedScene("Hi.", "scripted:one")])
    with pytest.raises(OwnKeyRefused):
        quotes.quote(caller, order)
    for path, body in (
        ("jobs", {"text": "Hi.", "voice": "scripted:one"}),
        ("speech", {"input": "Hi.", "voice": "scripted:one"}),
        ("estimate", {"text": "Hi.", "voice": "scripted:one"}),
    ):
        answer = post(api, path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "own_key_refused")
    assert (Job.objects.count(), credits()) == (0, (5000, 0))


def test_a_suspended_key_is_an_error_and_speaks_nothing(
    own, submitted, caller, api, speak_all, credits, monkeypatch
):
    """It was entered for another address; our key is not used instead."""
    job = submitted(caller, "One.")
    monkeypatch.setenv("SCRIPTED_BASE_URL", "http://elsewhere.example.com")

    body = {"text": "One.", "voice": "scripted:one"}
    speech = {"input": "One.", "voice": "scripted:one"}
    for path, sent in (("jobs", body), ("estimate", body), ("speech", speech)):
        answer = post(api, path, sent)
        assert (answer.status_code, answer.json()["code"]) == (409, "own_key_suspended")
    speak_all()

    assert job.scenes.get().error_code == "own_key_suspended"
    told = api.get(f"/api/v1/jobs/{job.pk}").json()["scenes"][0]["error"]
    assert told["detail"] == (
        "The provider's address has changed. Enter your own key again."
    )
    assert Job.objects.count() == 1
    assert scripted.keys_used == []
    assert credits() == (5000, 0)


def test_a_key_that_was_refused_meanwhile_is_not_tried(
    own, submitted, caller, speak_all
):
    job = submitted(caller, "Hi.")
    ProviderKey.objects.update(failure="bad_key", failed_at=timezone.now())
    speak_all()
    assert job.scenes.get().error_code == "own_key_refused"
    assert scripted.calls == []


def test_a_key_that_was_replaced_meanwhile_is_used(own, submitted, caller, speak_all):
    submitted(caller, "Hi.")
    new = using.encrypt_key(Secret("new-k3y-of-a-test"), own.workspace_id, "scripted")
    ProviderKey.objects.update(encrypted_key=new)
    speak_all()
    assert scripted.keys_used == ["new-k3y-of-a-test"]


def test_a_retry_decides_anew_who_pays(submitted, caller, speak_all, credits):
    text = "The first sentence is spoken before all the others. And then it fails."
    scripted.fail_at[2] = ProviderError(Failure.UNKNOWN_VOICE)
    job = submitted(caller, text)
    speak_all()
    scene = job.scenes.get()
    assert (scene.status, scene.pieces.count(), scene.render) == ("failed", 1, 1)
    own = factories.provider_key(caller.workspace, "scripted", OWN)
    with transaction.atomic():
        job = again.retry(caller, job.pk)
    assert (job.billed_to, job.cost) == ("own_key", len(text))  # the first round's
    scripted.reset()
    speak_all()
    # Pieces that our key paid for are not reused for free.
    assert scripted.keys_used == [OWN, OWN]
    scene.refresh_from_db()
    assert (scene.status, scene.cost, scene.render) == ("completed", 0, 2)
    job.refresh_from_db()
    assert (job.charged, job.refunded) == (0, len(text))
    assert credits() == (5000, 0)

    own.delete()
    with transaction.atomic():
        job, _ = again.edit(caller, job.pk, scene.pk, {"text": "Anew."})
    assert job.billed_to == "credits"
    speak_all()
    assert scripted.keys_used[-1] == OURS
    assert credits() == (4995, 0)


def test_an_edit_of_one_scene_keeps_what_others_were_billed_to(
    submitted, caller, speak_all
):
    job = submitted(caller, "One.", "Two.")
    speak_all()
    factories.provider_key(caller.workspace, "scripted", OWN)
    scene = job.scenes.first()
    with transaction.atomic():
        job, scene = again.edit(caller, job.pk, scene.pk, {"text": "New."})
    assert (job.billed_to, scene.cost) == ("credits", 0)
    assert scene.credential == using.credential_of(caller.workspace.pk)


def test_a_change_that_is_not_spoken_leaves_the_own_key_as_the_payer(
    own, submitted, caller, speak_all, credits
):
    job = submitted(caller, "One.")
    speak_all()
    own.delete()
    with transaction.atomic():
        job, _ = again.edit(caller, job.pk, job.scenes.get().pk, {"text": "New."})
    assert (job.billed_to, credits()) == ("credits", (4996, 4))
    with transaction.atomic():
        job = cancel.cancel(job.pk)
    assert (job.status, job.billed_to, credits()) == ("completed", "own_key", (5000, 0))


def test_price_and_key_can_not_disagree(own, submitted, caller):
    job = submitted(caller, "Hi.")
    with pytest.raises(IntegrityError), transaction.atomic():
        Scene.objects.filter(job=job).update(cost=1)


def test_own_keys_speak_in_the_sandbox(own, owner, api, credits):
    sandbox = {"X-Environment": "SANDBOX"}
    body = {"input": "Sand.", "voice": "scripted:one"}
    answer = post(api, "speech", body, **sandbox)
    assert (answer.status_code, answer.json()["billed_to"]) == (200, "own_key")
    own.delete()
    assert post(api, "speech", body, **sandbox).json()["code"] == "sandbox_provider"
    caller = factories.caller(owner, environment=Environment.SANDBOX)
    with pytest.raises(SandboxProvider):
        quotes.quote(caller, Order([RequestedScene("Hi.", "scripted:one")]))


def test_guests_have_no_keys(own):
    guest = factories.guest()
    factories.provider_key(guest.workspace, "scripted", OWN)  # by some mistake
    order = Order([RequestedScene("Hi.", "scripted:one")])
    with pytest.raises(GuestProvider):
        quotes.quote(guest, order)
    Provider.objects.filter(slug="scripted").update(is_open_to_guests=True)
    assert quotes.quote(guest, order).scenes[0].credential == "platform"


def test_a_fallback_voice_may_be_of_an_own_key(owner, caller):
    Provider.objects.create(slug="openai", name="OpenAI")
    Voice.objects.create(
        id="openai:alloy",
        provider_id="openai",
        provider_voice="alloy",
        name="Alloy",
        language="mul",
    )
    order = Order([RequestedScene("Hi.", "scripted:one")], fallback=["openai:alloy"])
    with pytest.raises(ProviderUnavailable):
        quotes.quote(caller, order)
    factories.provider_key(caller.workspace, "openai", OWN)
    assert quotes.quote(caller, order).fallback == ["openai:alloy"]


def test_operators_use_their_own_keys_too(own, owner, submitted, speak_all):
    owner.is_staff = True
    owner.save()
    job = submitted(factories.caller(owner), "Hi.")
    assert (job.cost, job.billed_to) == (0, "own_key")
    speak_all()
    assert scripted.keys_used == [OWN]


def test_a_provider_without_our_key_speaks_with_theirs(monkeypatch, api, owner):
    mine = factories.workspace(owner)
    body = {"input": "Hello there.", "voice": "openai:alloy"}
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    sync.sync()
    with serving(OpenAI()) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.access.base_url)
        answer = post(api, "speech", body)
        assert answer.json()["code"] == "provider_unavailable"
        own = factories.provider_key(mine, "openai", vendor.key)
        answer = post(api, "speech", body)
        assert (answer.status_code, answer.json()["billed_to"]) == (200, "own_key")
        assert vendor.spoken == ["Hello there."]
        own.delete()
        factories.provider_key(
            factories.workspace(factories.user()), "openai", vendor.key
        )
        answer = post(api, "speech", body)
        assert answer.json()["code"] == "provider_unavailable"
        assert len(vendor.asked) == 1
