"""The breaker and the retry budget: what opens and closes an upstream."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from providers.contract.base import Failure, ProviderError
from providers.keys import using
from providers.limits import upstreams
from providers.limits.upstreams import UpstreamUnavailable
from providers.models import Provider, Upstream
from tests import factories
from tests.synthesis.clock import let_pass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider() -> Provider:
    return Provider.objects.create(slug="openai", name="OpenAI")


def call(
    provider: Provider,
    failure: Failure | None = None,
    *,
    credential: str = "platform",
    retry_after: float | None = None,
    is_retry: bool = False,
    holder: str = "a:1",
) -> str:
    """Make a call; return its result as text."""
    try:
        with upstreams.calling(
            provider, credential, holder=holder, is_retry=is_retry
        ) as permit:
            if failure:
                raise ProviderError(failure, retry_after=retry_after)
        upstreams.record_success(permit, seconds=0.1)
    except ProviderError as error:
        return str(error.kind)
    except UpstreamUnavailable as unavailable:
        return f"unavailable: {unavailable.reason}"
    return "spoken"


def state(credential: str = "platform") -> str:
    return Upstream.objects.get(credential=credential).state


@pytest.mark.parametrize("kind", sorted(upstreams.VENDOR_FAILURES))
def test_vendor_failures_open_the_upstream(provider, kind) -> None:
    for _ in range(4):
        assert call(provider, kind) == kind
    assert state() == "closed"
    call(provider, kind)
    assert state() == "open"
    assert call(provider) == f"unavailable: {kind}"
    row = Upstream.objects.get()
    assert (row.calls, row.failures) == (5, {kind: 5})
    assert [seen["kind"] for seen in row.recent] == [kind] * 5


@pytest.mark.parametrize(
    "kind",
    [
        Failure.BAD_REQUEST,
        Failure.UNKNOWN_VOICE,
        Failure.TOO_LONG,
        Failure.UNSPEAKABLE,
        Failure.NO_SPEECH,
        Failure.ABORTED,
    ],
)
def test_request_failures_do_not_open_the_upstream(provider, kind) -> None:
    for _ in range(30):
        assert call(provider, kind) == kind
    assert state() == "closed"


def test_success_resets_consecutive_failures(provider) -> None:
    for _ in range(3):
        for _ in range(4):
            call(provider, Failure.DOWN)
        call(provider)
    assert state() == "closed"
    assert Upstream.objects.get().in_a_row == 0


def test_share_of_failures_opens_the_upstream(provider) -> None:
    for _ in range(9):
        call(provider)
        call(provider, Failure.DOWN)
    assert state() == "closed"  # too few calls
    call(provider)
    call(provider, Failure.DOWN)
    assert state() == "open"


def test_old_failures_do_not_count_for_the_share(provider) -> None:
    for _ in range(9):
        call(provider)
        call(provider, Failure.DOWN)
    let_pass(31)
    call(provider, Failure.DOWN)
    assert state() == "closed"
    assert Upstream.objects.get().window_calls == 1


@pytest.mark.parametrize("kind", [Failure.BAD_KEY, Failure.QUOTA])
def test_rejected_platform_key_opens_at_once_for_long(provider, kind) -> None:
    assert call(provider, kind) == f"unavailable: {kind}"  # not the scene's fault
    let_pass(299)
    assert call(provider) == f"unavailable: {kind}"
    let_pass(2)
    assert call(provider) == "spoken"
    assert state() == "closed"


def test_rejected_own_key_does_not_open_the_upstream(provider) -> None:
    """`providers.keys.checking` decides about a rejected key, by asking the provider."""
    for kind in (Failure.BAD_KEY, Failure.QUOTA):
        assert call(provider, kind, credential="key:7") == str(kind)
        assert state("key:7") == "closed"
    assert call(provider, credential="key:7") == "spoken"
    assert call(provider, credential="key:8") == "spoken"
    assert call(provider) == "spoken"
    assert upstreams.unavailable() == {}  # other calls don't wait for it


def test_regions_fail_apart(provider, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_REGION", "eu")
    for _ in range(5):
        call(provider, Failure.DOWN)
    assert set(upstreams.unavailable()) == {("openai", "platform")}
    monkeypatch.setenv("OPENAI_REGION", "us")
    assert upstreams.unavailable() == {}
    assert call(provider) == "spoken"


def test_an_own_key_fails_in_its_own_region(provider, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_REGION", "us")
    workspace = factories.workspace(factories.user())
    row = factories.provider_key(workspace, "openai", region="eu")
    mine = using.credential_of(workspace.pk)
    for _ in range(5):
        call(provider, Failure.DOWN, credential=mine)
    assert Upstream.objects.get().region == "eu"
    assert set(upstreams.unavailable()) == {("openai", mine)}
    assert set(upstreams.failing(timezone.now())) == {("openai", mine)}
    assert call(provider) == "spoken"
    row.region = "in"  # replaced
    row.save()
    assert set(upstreams.unavailable()) == set()
    assert call(provider, credential=mine) == "spoken"


def test_pauses_grow_and_recovery_is_found_within_30_s(provider) -> None:
    for _ in range(5):
        call(provider, Failure.DOWN)
    for pause in (5, 10, 20, 20, 20):
        let_pass(pause - 1)
        assert call(provider, Failure.DOWN) == "unavailable: down"
        calls = Upstream.objects.get().calls
        let_pass(1)
        assert call(provider, Failure.DOWN) == "unavailable: down"  # as the probe shows
        assert Upstream.objects.get().calls == calls + 1
    let_pass(20)
    assert call(provider) == "spoken"
    row = Upstream.objects.get()
    assert (row.state, row.failing_since, row.openings, row.reason) == (
        "closed",
        None,
        0,
        "",
    )


def test_one_probe_at_a_time(provider) -> None:
    for _ in range(5):
        call(provider, Failure.DOWN)
    let_pass(6)

    def admit(number: int) -> bool:
        try:
            row = upstreams.upstream_of(provider)
            return upstreams.admit(row, f"{number}:1", is_retry=False).is_probe
        except UpstreamUnavailable:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as threads:
        admitted = list(threads.map(admit, range(24)))
    assert admitted.count(True) == 1
    assert set(upstreams.unavailable()) == {("openai", "platform")}


def test_interrupted_probe_allows_the_next(provider) -> None:
    for _ in range(5):
        call(provider, Failure.DOWN)
    let_pass(6)
    assert call(provider, Failure.UNKNOWN_VOICE) == "unknown_voice"
    assert state() == "half-open"
    with (
        suppress(KeyError),
        upstreams.calling(provider, "platform", holder="b:1", is_retry=False),
    ):
        raise KeyError
    assert call(provider) == "spoken"
    assert state() == "closed"


def test_a_late_failure_does_not_lengthen_the_pause(provider) -> None:
    late = upstreams.admit(upstreams.upstream_of(provider), "late:1", is_retry=False)
    for _ in range(5):
        call(provider, Failure.DOWN)
    until = Upstream.objects.get().open_until
    upstreams.record_failure(late, Failure.DOWN, seconds=1)
    assert Upstream.objects.get().open_until == until


def test_a_late_success_does_not_close_it(provider) -> None:
    late = upstreams.admit(upstreams.upstream_of(provider), "late:1", is_retry=False)
    for _ in range(5):
        call(provider, Failure.DOWN)
    upstreams.record_success(late, seconds=1)
    assert state() == "open"


def test_retry_after_applies_to_all_callers(provider) -> None:
    assert call(provider, Failure.RATE_LIMITED, retry_after=90) == "rate_limited"
    let_pass(89)
    assert call(provider) == "unavailable: rate_limited"
    let_pass(2)
    assert call(provider) == "spoken"


def test_retry_after_is_capped(provider) -> None:
    call(provider, Failure.BUSY, retry_after=86_400)
    until = Upstream.objects.get().open_until
    assert until is not None
    assert until - timezone.now() < timedelta(seconds=upstreams.MAX_PAUSE + 1)


def test_retries_are_a_share_of_calls(provider) -> None:
    for _ in range(10):
        assert call(provider, Failure.UNKNOWN_VOICE, is_retry=True) == "unknown_voice"
    assert call(provider, is_retry=True) == "unavailable: retries"
    for _ in range(5):
        call(provider)
    assert call(provider, is_retry=True) == "spoken"
    assert call(provider, is_retry=True) == "unavailable: retries"
    let_pass(upstreams.RETRY_REFILL + 1)
    assert call(provider, is_retry=True) == "spoken"
    assert call(provider, is_retry=True) == "unavailable: retries"


def test_retry_budget_is_capped(provider) -> None:
    call(provider)
    Upstream.objects.update(retry_allowance=upstreams.MAX_RETRIES)
    call(provider)
    assert Upstream.objects.get().retry_allowance == upstreams.MAX_RETRIES


def test_counting_is_exact_under_concurrency(provider) -> None:
    upstreams.upstream_of(provider)

    def speak(number: int) -> str:
        try:
            return call(provider, Failure.UNKNOWN_VOICE if number % 3 else None)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(speak, range(60)))
    row = Upstream.objects.get()
    assert (row.calls, row.failures) == (60, {"unknown_voice": 40})
    assert row.seconds > 0


def test_a_reset_closes_it(provider) -> None:
    for _ in range(5):
        call(provider, Failure.DOWN)
    upstreams.reset(Upstream.objects.get())
    assert call(provider) == "spoken"
