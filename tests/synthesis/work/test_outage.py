"""Outages of providers: few calls are made, and customers are not charged."""

import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from billing.ledger.wallets import summary, wallet_of
from providers.contract.base import Failure, ProviderError
from providers.limits import upstreams
from providers.models import Provider, Upstream, Voice
from synthesis.models import Job, Piece, Scene
from synthesis.work import claiming, dispatch, worker
from tests import factories
from tests.providers.vendors.openai import Compatible
from tests.providers.vendors.server import Fault, Vendor, serving
from tests.synthesis import scripted
from tests.synthesis.claim import claim
from tests.synthesis.clock import let_pass

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
SERVER = "compatible:af_bella"


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


@pytest.fixture
def vendor(monkeypatch) -> Iterator[Vendor]:
    """A local server in the catalogue."""
    row = Provider.objects.create(slug="compatible", name="Own")
    Voice.objects.create(
        id=SERVER, provider=row, provider_voice="af_bella", name="B", language="en"
    )
    with serving(Compatible()) as vendor:
        monkeypatch.setenv("COMPATIBLE_API_KEY", vendor.access.key)
        monkeypatch.setenv("COMPATIBLE_BASE_URL", vendor.access.base_url)
        yield vendor


def fail_all(count: int = 5) -> None:
    """Make the given number of calls of the scripted provider fail."""
    scripted.failures.extend(ProviderError(Failure.DOWN) for _ in range(count))


@pytest.mark.parametrize(
    ("fault", "patience", "count"),
    [
        (Fault.BUSY, 600, 120),
        # All kinds wait alike; the differences show within two minutes.
        (Fault.BROKEN, 120, 12),
        (Fault.RATE, 120, 12),
        (Fault.HTML, 120, 12),
    ],
)
def test_an_outage_takes_few_calls_and_no_credits(
    submitted, vendor, owner, credits, settings, monkeypatch, fault, patience, count
) -> None:
    # No scene is tried twice before the breaker opens.
    monkeypatch.setattr(random, "uniform", lambda shortest, longest: longest)
    settings.PROVIDER_PATIENCE = patience
    vendor.fault = fault
    job = submitted(factories.caller(owner), *["A short scene."] * count, voice=SERVER)
    assert credits() == (5000 - 14 * count, 14 * count)

    passed = 0
    while Scene.objects.unfinished().exists():
        worker.work("remote")
        dispatch.sweep()
        let_pass(21)
        passed += 21
        assert passed < patience + 100
    calls = len(vendor.asked)

    assert calls <= 1.2 * count
    assert passed >= patience
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("failed", 0, job.cost)
    assert set(job.scenes.values_list("error_code", flat=True)) == {
        "provider_unavailable"
    }
    assert credits() == (5000, 0)


def test_all_scenes_are_spoken_after_an_outage(
    submitted, vendor, owner, credits
) -> None:
    vendor.fault = Fault.BUSY
    job = submitted(factories.caller(owner), *["A short scene."] * 20, voice=SERVER)
    for _ in range(10):
        worker.work("remote")
        dispatch.sweep()
        let_pass(21)
    assert job.scenes.filter(status="queued").count() == 20
    assert sum(job.scenes.values_list("attempts", flat=True)) == 5

    vendor.fault = None
    waited = 0
    while Scene.objects.unfinished().exists():
        worker.work("remote")
        worker.work("files")
        let_pass(2)
        waited += 2
        assert waited <= 30
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("completed", 280, 0)
    assert credits() == (4720, 0)


def test_settings_limit_how_long_scenes_wait_for_a_provider(submitted, vendor) -> None:
    Provider.objects.filter(slug="compatible").update(total_seconds=0.3)
    vendor.fault = Fault.DRIP
    submitted(factories.caller(), "A short scene.", voice=SERVER)
    scene = claim()
    began = time.monotonic()
    worker.speak(scene)
    assert time.monotonic() - began < 10
    assert Upstream.objects.get().failures == {"timeout": 1}


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        # The vendor refused the text.
        (Fault.RATE, 5),
        (Fault.BROKEN, 5),
        (Fault.BUSY, 5),
        # It may have spoken the text and may bill it, and we can't know.
        (Fault.DRIP, 2),
        (Fault.TRICKLE, 2),
        (Fault.TRUNCATED, 2),
        (Fault.RESET, 2),
        # It answered, without usable audio.
        (Fault.HTML, 2),
        (Fault.DISGUISED, 2),
        (Fault.EMPTY, 2),
    ],
)
def test_a_text_that_may_be_billed_is_sent_once_more(
    submitted, vendor, credits, owner, speak_all, fault, calls
) -> None:
    Provider.objects.filter(slug="compatible").update(total_seconds=0.3)
    vendor.fault = fault
    job = submitted(factories.caller(owner), "A short scene.", voice=SERVER)

    for _ in range(9):
        speak_all()
        upstreams.reset(Upstream.objects.get())
        let_pass(61)

    assert len(vendor.asked) == calls
    job.refresh_from_db()
    assert (job.status, job.charged) == ("failed", 0)
    assert credits() == (5000, 0)


def test_a_text_that_can_not_be_sent_is_tried_five_times(
    submitted, vendor, monkeypatch, speak_all
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("COMPATIBLE_BASE_URL", f"http://127.0.0.1:{port}/v1")
    job = submitted(factories.caller(), "A short scene.", voice=SERVER)

    for _ in range(9):
        speak_all()
        let_pass(61)

    assert Upstream.objects.get().failures == {"down": 5}
    assert job.scenes.get().error_code == "down"


def test_each_piece_may_be_sent_once_more(submitted, speak_all) -> None:
    text = " ".join(f"Sentence number {n} has a length." for n in range(6))
    for call in (1, 3, 5):
        scripted.fail_at[call] = ProviderError(Failure.TIMEOUT, is_unanswered=True)
    job = submitted(factories.caller(), text)

    for _ in range(5):
        speak_all()
        let_pass(61)

    job.refresh_from_db()
    assert job.status == "completed"
    assert [scripted.calls.count(call) for call in scripted.calls] == [2] * 6 + [1] * 3


def test_a_probe_is_sent_once_more(submitted, speak_all) -> None:
    scripted.failures.extend(
        ProviderError(Failure.TIMEOUT, is_unanswered=True) for _ in range(9)
    )
    job = submitted(factories.caller(), "A short scene.")
    upstream = upstreams.upstream_of(Provider.objects.get(pk="scripted"))
    now = timezone.now()

    for _ in range(5):
        Upstream.objects.filter(pk=upstream.pk).update(
            failing_since=now, open_until=now, probe=""
        )
        speak_all()
        let_pass(61)

    assert len(scripted.calls) == 2
    assert job.scenes.get().error_code == "provider_unavailable"


@pytest.mark.parametrize("is_failure", [False, True])
def test_statistics_that_can_not_be_written_lose_nothing(
    submitted, speak_all, monkeypatch, is_failure, credits, owner
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("couldn't get a connection after 5.00 sec")

    monkeypatch.setattr(upstreams, "record_success", fail)
    monkeypatch.setattr(upstreams, "record_failure", fail)
    if is_failure:
        scripted.failures.append(ProviderError(Failure.RATE_LIMITED, retry_after=1))
    job = submitted(factories.caller(owner), "A short scene.")

    for _ in range(2):
        speak_all()
        let_pass(61)

    assert len(scripted.calls) == 1 + is_failure
    scene = job.scenes.get()
    assert (scene.status, scene.attempts) == ("completed", int(is_failure))
    assert credits() == (4986, 0)


def test_audio_is_stored_before_the_statistics(
    submitted, speak_all, monkeypatch
) -> None:
    seen: list[int] = []

    def record(*_: object, **__: object) -> None:
        seen.extend(Piece.objects.values_list("ordinal", flat=True))

    monkeypatch.setattr(upstreams, "record_success", record)
    submitted(factories.caller(), "A short scene.")

    speak_all()

    assert seen == [1]


def test_scenes_wait_without_losing_a_try(submitted) -> None:
    job = submitted(factories.caller(), *["A scene."] * 30)
    fail_all()

    worker.work("remote")

    assert len(scripted.calls) == 5
    assert Upstream.objects.get().state == "open"
    assert claiming.claim_next("remote") is None
    assert claiming.count_startable("remote", 16) == 0
    waiting = job.scenes.filter(status="queued")
    assert waiting.count() == 30
    assert sum(waiting.values_list("attempts", flat=True)) == 5


def test_other_providers_are_not_delayed(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 1000
    submitted(factories.caller(), *["A page."] * 250)
    other = submitted(factories.caller(), "Clip.", voice="scripted:two")
    Scene.objects.filter(job=other).update(provider="unicorn")
    for _ in range(5):
        with (
            pytest.raises(ProviderError),
            upstreams.calling(
                Provider.objects.get(pk="scripted"),
                "platform",
                holder="",
                is_retry=False,
            ),
        ):
            raise ProviderError(Failure.DOWN)

    assert claim().job == other  # behind 250 that may not be started
    assert claiming.claim_next("remote") is None


def test_lanes_behind_a_held_back_book_are_claimed_in_order(
    submitted, settings
) -> None:
    settings.WORKSPACE_CONCURRENCY = 1
    book = submitted(factories.caller(), *["A page."] * 300)
    assert claim().job == book
    Scene.objects.filter(job=book).update(turn=0)
    later = submitted(factories.caller(), "b" * 50)
    sooner = submitted(factories.caller(), "a" * 50)
    Scene.objects.filter(job=later).update(turn=9)
    Scene.objects.filter(job=sooner).update(turn=8)

    assert claim().job == sooner
    assert claim().job == later
    assert claiming.claim_next("remote") is None


def test_a_credential_has_its_share(submitted, settings) -> None:
    settings.WORKSPACE_CONCURRENCY = 100
    Provider.objects.filter(slug="scripted").update(
        max_concurrent=5, max_concurrent_per_key=3
    )
    mine = submitted(factories.caller(), *["Mine."] * 10)
    Scene.objects.filter(job=mine).update(credential="key:1", cost=0)
    submitted(factories.caller(), *["Ours."] * 10)

    def try_claim(_: int) -> Scene | None:
        try:
            return claiming.claim_next("remote")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        held = [scene for scene in threads.map(try_claim, range(16)) if scene]

    assert len(held) == 5
    by_key = sorted(
        [scene.credential for scene in held].count(key) for key in ("key:1", "platform")
    )
    assert by_key == [2, 3]


def test_the_probe_of_a_killed_worker_is_replaced(submitted) -> None:
    submitted(factories.caller(), *["A scene."] * 10)
    fail_all()
    worker.work("remote")
    let_pass(6)
    dead = claim()
    upstreams.admit(Upstream.objects.get(), dead.holder, is_retry=False)
    assert claiming.claim_next("remote") is None
    dispatch.sweep()
    assert Upstream.objects.get().probe == dead.holder  # its worker is alive

    Scene.objects.filter(pk=dead.pk).update(lease_until=timezone.now())
    dispatch.sweep()

    assert Upstream.objects.get().probe == ""
    assert worker.work("remote") == 10
    assert Upstream.objects.get().state == "closed"


def test_a_text_that_fails_every_call_does_not_keep_the_breaker_open(
    submitted, monkeypatch
) -> None:
    """Its scenes have the lowest turns, so they would be every probe."""
    speak = scripted.Scripted.speak

    def spoken(self, request, access):
        if request.text == "Poison.":
            raise ProviderError(Failure.DOWN)
        return speak(self, request, access)

    monkeypatch.setattr(scripted.Scripted, "speak", spoken)
    poison = submitted(factories.caller(), *["Poison."] * 12)
    worker.work("remote")
    let_pass(4)  # all are due again
    assert Upstream.objects.get().state == "open"
    other = submitted(factories.caller(), *["Good."] * 3)
    waited = 0
    while other.scenes.filter(status="completed").count() < 3:
        let_pass(5)
        worker.work("remote")
        waited += 5
        assert waited <= 30
    assert poison.scenes.filter(status="completed").count() == 0


def test_a_retry_after_of_a_day_is_refunded_in_time(submitted, owner, credits) -> None:
    job = submitted(factories.caller(owner), "A scene.", "Another scene.")
    scripted.failures.append(ProviderError(Failure.RATE_LIMITED, retry_after=86_400))
    worker.work("remote")
    assert len(scripted.calls) == 1
    let_pass(1790)
    dispatch.sweep()
    assert worker.work("remote") == 0
    assert list(job.scenes.values_list("status", flat=True)) == ["queued"] * 2
    assert credits() == (4978, 22)

    let_pass(20)
    dispatch.sweep()

    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("failed", 0, 22)
    assert set(job.scenes.values_list("error_code", flat=True)) == {
        "provider_unavailable"
    }
    assert credits() == (5000, 0)
    assert len(scripted.calls) == 1


def test_a_retry_after_of_a_day_leads_to_a_fallback_voice(
    submitted, owner, credits
) -> None:
    job = submitted(factories.caller(owner), "A scene.", fallback=["unicorn:en-us"])
    scripted.failures.append(ProviderError(Failure.BUSY, retry_after=86_400))
    worker.work("remote")
    let_pass(50)
    dispatch.sweep()
    assert job.scenes.get().spoken_by == ""
    let_pass(15)
    dispatch.sweep()
    worker.work("local")
    job.refresh_from_db()
    assert (job.status, job.scenes.get().speaker) == ("completed", "unicorn:en-us")
    assert credits() == (4992, 0)
    assert len(scripted.calls) == 1


def test_scenes_are_spoken_as_soon_as_retry_after_is_over(submitted) -> None:
    job = submitted(factories.caller(), "A scene.")
    scripted.failures.append(ProviderError(Failure.BUSY, retry_after=7))
    worker.work("remote")
    assert worker.work("remote") == 0
    let_pass(8)
    assert worker.work("remote") == 1
    job.refresh_from_db()
    assert (job.status, len(scripted.calls)) == ("completed", 2)


def test_our_refused_key_fails_no_scene(submitted) -> None:
    job = submitted(factories.caller(), *["A scene."] * 3)
    scripted.failures.append(ProviderError(Failure.BAD_KEY))
    worker.work("remote")
    assert len(scripted.calls) == 1
    assert list(job.scenes.values_list("status", "attempts")) == [("queued", 0)] * 3
    upstreams.reset(Upstream.objects.get())  # an operator has set another
    worker.work("remote")
    job.refresh_from_db()
    assert job.status == "completed"


def test_speech_at_once_is_refused_at_once(submitted, owner, credits) -> None:
    submitted(factories.caller(), *["A scene."] * 6)
    fail_all()
    worker.work("remote")
    jobs = Job.objects.count()

    answer = factories.api(factories.token(owner)).post(
        "/api/v1/speech",
        json.dumps({"input": "Hello.", "voice": "scripted:one"}),
        content_type="application/json",
    )

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert 1 <= int(answer["Retry-After"]) <= 5
    assert (len(scripted.calls), Job.objects.count()) == (5, jobs)
    assert credits() == (5000, 0)


def test_speech_at_once_may_be_the_probe(submitted, owner, credits) -> None:
    submitted(factories.caller(), *["A scene."] * 6)
    fail_all(6)
    worker.work("remote")
    client = factories.api(factories.token(owner))
    body = json.dumps({"input": "Hello.", "voice": "scripted:one"})
    let_pass(6)

    answer = client.post("/api/v1/speech", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert 1 <= int(answer["Retry-After"]) <= 10
    assert credits() == (5000, 0)

    let_pass(11)
    answer = client.post("/api/v1/speech", body, content_type="application/json")
    assert answer.status_code == 200
    assert Upstream.objects.get().state == "closed"
