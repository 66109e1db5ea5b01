"""Connections to providers that are kept between calls, and retries when one was closed."""

import json
from collections.abc import Iterator

import pytest

from billing.ledger.wallets import summary, wallet_of
from kit.http.pool import KEPT
from providers.models import Provider, ProviderKey, Upstream, Voice
from synthesis.models import Job, Scene
from synthesis.work import worker
from tests import factories
from tests.providers.vendors.openai import Compatible, OpenAI
from tests.providers.vendors.server import Fault, Vendor, serving

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
SERVER = "compatible:af_bella"
TEXT = "A short scene."


@pytest.fixture
def vendor(monkeypatch) -> Iterator[Vendor]:
    """A local server in the catalogue that keeps connections open."""
    row = Provider.objects.create(slug="compatible", name="Own")
    Voice.objects.create(
        id=SERVER, provider=row, provider_voice="af_bella", name="B", language="en"
    )
    KEPT.clear()
    with serving(Compatible()) as vendor:
        vendor.keeps_open = True
        monkeypatch.setenv("COMPATIBLE_API_KEY", vendor.access.key)
        monkeypatch.setenv("COMPATIBLE_BASE_URL", vendor.access.base_url)
        yield vendor
    KEPT.clear()


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def say(owner):
    """A function that requests speech at once."""
    api = factories.api(factories.token(owner))
    body = json.dumps({"input": TEXT, "voice": SERVER})
    return lambda: api.post("/api/v1/speech", body, content_type="application/json")


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


def test_scenes_and_speech_at_once_share_a_connection(submitted, vendor, say) -> None:
    submitted(factories.caller(), *[TEXT] * 3, voice=SERVER)
    worker.work("remote")
    assert say().status_code == 200
    assert len(vendor.asked) == 4
    assert vendor.connections == 1


def test_each_key_has_connections_of_its_own(submitted, monkeypatch) -> None:
    row = Provider.objects.create(slug="openai", name="OpenAI")
    Voice.objects.create(
        id="openai:alloy",
        provider=row,
        provider_voice="alloy",
        name="A",
        language="mul",
    )
    callers = [factories.caller(factories.user()) for _ in range(3)]
    KEPT.clear()
    with serving(OpenAI()) as vendor:
        vendor.keeps_open = True
        monkeypatch.setattr(vendor, "has_key", lambda asked: True)
        monkeypatch.setenv("OPENAI_API_KEY", vendor.access.key)
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.access.base_url)
        for caller, key in zip(
            callers, ("key-of-the-first", "key-of-another"), strict=False
        ):
            factories.provider_key(caller.workspace, "openai", key)
        seen = []
        for number in (0, 1, 2, 0, 1, 2):
            submitted(callers[number], TEXT, voice="openai:alloy")
            worker.work("remote")
            seen.append(vendor.connections)
        # A replaced key gets new connections.
        ProviderKey.objects.filter(workspace=callers[0].workspace).delete()
        factories.provider_key(callers[0].workspace, "openai", "key-in-its-place")
        submitted(callers[0], TEXT, voice="openai:alloy")
        worker.work("remote")
        seen.append(vendor.connections)
    KEPT.clear()
    assert seen == [1, 2, 3, 3, 3, 3, 4]
    sent = [asked.headers["Authorization"] for asked in vendor.asked]
    assert sent == [
        f"Bearer {key}"
        for key in (
            *("key-of-the-first", "key-of-another", vendor.access.key) * 2,
            "key-in-its-place",
        )
    ]


def test_a_worker_retries_a_call_on_a_closed_connection(
    submitted, vendor, owner, credits
) -> None:
    vendor.is_impatient = True
    job = submitted(factories.caller(owner), *[TEXT] * 8, voice=SERVER)

    assert (
        worker.work("remote") == 15
    )  # the first has no connection that could be stale

    assert len(vendor.asked) == 15
    assert vendor.connections == 8
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("completed", 14 * 8, 0)
    assert credits() == (5000 - 14 * 8, 0)
    attempts = job.scenes.values_list("attempts", flat=True).order_by("attempts")
    assert list(attempts) == [0] + [1] * 7
    # More than would open the breaker, had they been the provider's fault.
    row = Upstream.objects.get()
    assert (row.state, row.in_a_row, row.window_failures) == ("closed", 0, 0)
    assert (row.calls, row.failures) == (15, {"aborted": 7})


def test_a_retry_of_an_aborted_call_uses_the_allowance(submitted, vendor) -> None:
    vendor.is_impatient = True
    submitted(factories.caller(), TEXT, voice=SERVER)
    worker.work("remote")
    Upstream.objects.update(retry_allowance=0)
    submitted(factories.caller(), TEXT, voice=SERVER)
    worker.work("remote")
    assert len(vendor.asked) == 2
    assert Scene.objects.filter(status="queued").count() == 1


def test_speech_at_once_retries_an_aborted_call_once(vendor, say, credits) -> None:
    vendor.is_impatient = True
    for number in (1, 3, 5):
        assert say().status_code == 200
        assert len(vendor.asked) == number
    assert credits() == (5000 - 14 * 3, 0)
    row = Upstream.objects.get()
    assert (row.state, row.in_a_row, row.failures) == ("closed", 0, {"aborted": 2})


def test_speech_at_once_does_not_retry_twice(vendor, say, credits) -> None:
    assert say().status_code == 200
    vendor.is_impatient = True
    vendor.fault = Fault.RESET  # and the new connection ends, too
    answer = say()
    assert (answer.status_code, answer.json()["code"]) in {
        (502, "provider_failed"),
        (503, "provider_unavailable"),
    }
    assert len(vendor.asked) == 3
    assert credits() == (4986, 0)
    assert sorted(Job.objects.values_list("status", flat=True)) == [
        "completed",
        "failed",
    ]


def test_answered_calls_are_not_retried_at_once(vendor, say, credits) -> None:
    """A refusal, a bad answer or a timeout on a kept connection is not retried."""
    Provider.objects.filter(pk="compatible").update(total_seconds=0.3)
    for number, fault in enumerate(
        (Fault.RESET, Fault.TRUNCATED, Fault.DRIP, Fault.BUSY), 1
    ):
        vendor.fault = None
        assert say().status_code == 200
        vendor.fault = fault
        assert say().status_code in {502, 503}, fault
        assert len(vendor.asked) == 2 * number
        assert credits() == (5000 - 14 * number, 0)
        Upstream.objects.update(in_a_row=0)
