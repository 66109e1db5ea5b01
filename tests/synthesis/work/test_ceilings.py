"""Daily ceilings of providers, exact under concurrency, and those of the sandbox."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.caller import Environment
from billing.ledger.wallets import summary, wallet_of
from kit import quotas
from kit.models import QuotaCounter
from providers.contract.base import Failure, ProviderError
from providers.limits import ceilings, upstreams
from providers.limits.upstreams import UpstreamUnavailable
from providers.models import Provider, Upstream
from synthesis.models import Job
from synthesis.work import worker
from tests import factories
from tests.synthesis import scripted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]


@pytest.fixture
def owner():
    return factories.user()


def post(owner, url: str = "/api/v1/jobs", **order: object):
    body = {"text": "Hello there.", "voice": "scripted:one"}
    if "speech" in url:
        body = {"input": "Hello there.", "voice": "scripted:one"}
    return factories.api(factories.token(owner)).post(
        url, json.dumps(body | order), content_type="application/json"
    )


def limit(**ceiling: int) -> Provider:
    Provider.objects.filter(slug="scripted").update(**ceiling)
    return Provider.objects.get(slug="scripted")


def iter_bytes(audio: bytes):
    yield audio


def test_the_ceiling_is_exact_under_concurrency() -> None:
    provider = limit(daily_ceiling=100, cost_multiplier=2)

    def call(_: int) -> bool:
        try:
            with ceilings.spending(provider, 5, is_sandbox=False):
                return True
        except UpstreamUnavailable:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(call, range(40))).count(True) == 10
    assert ceilings.spent_today("scripted") == 100
    assert ceilings.is_reached(provider, is_sandbox=False)


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        (Failure.BAD_REQUEST, 0),
        (Failure.QUOTA, 0),
        (Failure.TOO_LONG, 0),
        (Failure.RATE_LIMITED, 0),
        (Failure.BUSY, 0),
        (Failure.TIMEOUT, 10),
        (Failure.DOWN, 10),
        (Failure.ABORTED, 10),
        (Failure.BAD_AUDIO, 10),
        (Failure.NO_SPEECH, 10),
    ],
)
def test_refused_calls_are_not_counted(kind, counted) -> None:
    provider = limit(daily_ceiling=100)
    with (
        pytest.raises(ProviderError),
        ceilings.spending(provider, 10, is_sandbox=False),
    ):
        raise ProviderError(kind)
    assert ceilings.spent_today("scripted") == counted


@pytest.mark.parametrize("kind", [Failure.TOO_LONG, Failure.UNSPEAKABLE])
def test_calls_that_returned_audio_stay_counted(
    submitted, speak_all, monkeypatch, kind
) -> None:
    """Azure, for example, refuses a text as too long after ten minutes of audio."""
    parts = scripted.Scripted._parts

    def cut_off(self, text):
        yield next(parts(self, text))
        raise ProviderError(kind)

    monkeypatch.setattr(scripted.Scripted, "_parts", cut_off)
    job = submitted(factories.caller(), "Hello there.")
    speak_all()
    assert job.scenes.get().error_code == kind
    assert ceilings.spent_today("scripted") == 12


def test_audio_that_is_no_speech_stays_counted(
    submitted, speak_all, monkeypatch
) -> None:
    monkeypatch.setattr(
        scripted.Scripted, "_parts", lambda self, text: iter_bytes(bytes(320 * 12))
    )
    monkeypatch.setattr(random, "uniform", lambda shortest, longest: longest)
    submitted(factories.caller(), "Hello there.")
    speak_all()
    assert scripted.calls == ["Hello there."]
    assert ceilings.spent_today("scripted") == 12


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        (Failure.TIMEOUT, 12),
        (Failure.DOWN, 12),
        (Failure.RATE_LIMITED, 0),
        (Failure.BAD_KEY, 0),
    ],
)
def test_a_probe_that_failed_counts_like_any_call(submitted, kind, counted) -> None:
    provider = Provider.objects.get(slug="scripted")
    row = upstreams.upstream_of(provider)
    permit = upstreams.Permit(row, is_probe=False, is_retry=False)
    upstreams.record_failure(permit, Failure.DOWN, seconds=0, retry_after=1)
    Upstream.objects.update(open_until=timezone.now())
    job = submitted(factories.caller(), "Hello there.")
    scripted.failures.append(ProviderError(kind))
    worker.work("remote")
    assert job.scenes.get().attempts == 0  # it was the probe
    assert len(scripted.calls) == 1
    assert ceilings.spent_today("scripted") == counted


def test_calls_that_an_open_breaker_stops_are_not_counted() -> None:
    provider = limit(daily_ceiling=100)
    with (
        pytest.raises(UpstreamUnavailable),
        ceilings.spending(provider, 10, is_sandbox=False),
    ):
        raise UpstreamUnavailable("down", timezone.now())
    assert ceilings.spent_today("scripted") == 0


def test_spending_is_counted_without_a_ceiling_too(submitted, speak_all) -> None:
    submitted(factories.caller(), "Hello there.")
    speak_all()
    assert ceilings.spent_today("scripted") == 12


def test_new_jobs_are_refused_until_midnight(owner) -> None:
    limit(daily_ceiling=20)
    QuotaCounter.objects.create(
        name="provider_spend", subject="scripted", period=timezone.now().date(), used=20
    )
    for url in ("/api/v1/jobs", "/api/v1/speech"):
        answer = post(owner, url)
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_ceiling")
        assert 0 < int(answer["Retry-After"]) <= 86_400
    assert Job.objects.count() == 0

    QuotaCounter.objects.update(period=timezone.now().date() - timedelta(days=1))
    assert post(owner).status_code == 202


def test_a_scene_that_meets_the_ceiling_is_refunded(owner, submitted, settings) -> None:
    settings.PROVIDER_PATIENCE = -1  # the next day is never near enough
    limit(daily_ceiling=20)
    job = submitted(factories.caller(owner), "Hello there.", "Hello again!")
    worker.work("remote")
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("partial", 12, 12)
    assert sorted(job.scenes.values_list("status", "error_code")) == [
        ("completed", ""),
        ("failed", "provider_ceiling"),
    ]
    assert summary(wallet_of(job.workspace, "PRODUCTION"))["balance"] == 4988


def test_a_scene_waits_for_a_near_midnight(submitted, settings) -> None:
    settings.PROVIDER_PATIENCE = 90_000
    limit(daily_ceiling=20)
    job = submitted(factories.caller(), "Hello there.", "Hello again!")
    worker.work("remote")
    waiting = job.scenes.get(status="queued")
    assert (waiting.ready_at, waiting.attempts) == (quotas.next_day(), 0)


def test_a_scene_that_meets_the_ceiling_goes_to_a_fallback_voice(
    submitted, speak_all, settings
) -> None:
    settings.PROVIDER_PATIENCE = -1
    limit(daily_ceiling=20)
    job = submitted(
        factories.caller(), "Hello there.", "Hello again!", fallback=["unicorn:en-us"]
    )
    speak_all()
    speak_all()
    job.refresh_from_db()
    assert job.status == "completed"
    assert sorted(scene.speaker for scene in job.scenes.all()) == [
        "scripted:one",
        "unicorn:en-us",
    ]


def test_the_sandbox_has_a_ceiling_of_its_own(owner, submitted) -> None:
    sandbox = "/api/v1/jobs?environment=sandbox"
    answer = post(owner, sandbox)
    assert (answer.status_code, answer.json()["code"]) == (403, "sandbox_provider")

    limit(sandbox_daily_ceiling=20)
    caller = factories.caller(owner, environment=Environment.SANDBOX)
    wallet = wallet_of(caller.workspace, caller.environment)
    before = summary(wallet)["balance"]
    job = submitted(caller, "Hello there.")
    submitted(caller, "Hello again!")
    worker.work("remote")
    job.refresh_from_db()
    assert (job.status, len(scripted.calls)) == ("completed", 1)
    assert summary(wallet)["balance"] == before - 12

    other = submitted(factories.caller(owner), "In production.")
    worker.work("remote")
    other.refresh_from_db()
    assert other.status == "completed"
    assert ceilings.spent_today("scripted") == 12 + 14

    QuotaCounter.objects.filter(name="provider_sandbox_spend").update(used=20)
    answer = post(owner, sandbox)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_ceiling")


def test_the_built_in_voice_has_no_ceiling(owner) -> None:
    Provider.objects.filter(slug="unicorn").update(daily_ceiling=0)
    answer = post(owner, "/api/v1/speech?environment=sandbox", voice="unicorn:en-us")
    assert answer.status_code == 200
