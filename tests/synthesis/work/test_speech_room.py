"""Speech at once asks for room where it is going to be spoken: with that key."""

import json
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from billing.ledger.wallets import summary, wallet_of
from providers.contract.base import Failure
from providers.keys import using
from providers.limits import upstreams
from providers.models import Provider
from synthesis.models import Job, Scene
from tests import factories
from tests.synthesis import scripted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
OWN = "own-k3y-of-a-test"


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def mine(owner):
    """The credential of the workspace that brings a key."""
    factories.provider_key(factories.workspace(owner), "scripted", OWN)
    return using.credential_of(factories.workspace(owner).pk)


@pytest.fixture
def say(owner):
    client = factories.api(factories.token(owner))
    body = json.dumps({"input": "At once.", "voice": "scripted:one"})

    def post():
        return client.post("/api/v1/speech", body, content_type="application/json")

    return post


def fail(credential: str, kind: Failure, times: int) -> None:
    provider = Provider.objects.get(slug="scripted")
    for _ in range(times):
        row = upstreams.upstream_of(provider, credential)
        permit = upstreams.Permit(row, is_probe=False, is_retry=False)
        upstreams.record_failure(permit, kind, seconds=0)


def under_way(submitted, credential: str, count: int) -> None:
    """Let so many scenes be spoken with a credential at this moment."""
    job = submitted(factories.caller(), *["Busy."] * count)
    Scene.objects.filter(job=job).update(
        credential=credential,
        cost=0,
        status="processing",
        fence=F("fence") + 1,
        lease_until=timezone.now() + timedelta(seconds=60),
    )


def test_our_used_up_quota_keeps_out_no_own_key(say, owner, mine) -> None:
    fail("platform", Failure.QUOTA, 1)
    answer = say()
    assert (answer.status_code, answer.json()["billed_to"]) == (200, "own_key")
    assert scripted.used == [OWN]


def test_an_own_key_whose_upstream_is_open_is_refused(say, owner, mine) -> None:
    fail(mine, Failure.DOWN, 5)
    answer = say()
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert 1 <= int(answer["Retry-After"]) <= 5
    assert (Job.objects.count(), scripted.calls) == (0, [])


def test_an_own_key_has_the_limit_of_a_key(say, owner, mine, submitted) -> None:
    Provider.objects.filter(slug="scripted").update(max_concurrent_per_key=2)
    under_way(submitted, mine, 2)
    answer = say()
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert (Job.objects.count(), scripted.calls) == (1, [])
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    assert (summary(wallet)["balance"], summary(wallet)["reserved"]) == (5000, 0)


def test_calls_with_our_key_take_no_room_of_an_own_one(
    say, owner, mine, submitted
) -> None:
    Provider.objects.filter(slug="scripted").update(max_concurrent_per_key=2)
    under_way(submitted, "platform", 2)
    assert say().status_code == 200
