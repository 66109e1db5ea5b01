import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import tokens
from accounts.http import throttles
from accounts.http.permissions import AllowGuests
from accounts.models import Workspace
from accounts.people import blocking
from config.urls import *  # noqa: F403 - the routes of this module are added to ours
from config.urls import urlpatterns as ours
from tests import factories

ME = "/api/v1/me"
TOKENS = "/api/v1/tokens"
LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


class Speak(APIView):
    """A view that counts by RATE_SYNTHESIS."""

    throttle_scope = "synthesis"
    permission_classes = [AllowGuests]

    def get(self, request):
        return Response({})

    post = patch = delete = get


urlpatterns = [path("api/v1/speak", Speak.as_view()), *ours]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


@pytest.fixture(autouse=True)
def _limits(settings, monkeypatch):
    # Days, so that no period ends while a test runs.
    settings.RATE_SYNTHESIS = "2/d"
    settings.RATE_OTHER = "3/d"
    monkeypatch.setattr(throttles, "_unlimited_until", 0.0)


def told(response):
    return tuple(response.headers.get(name) for name in LIMITS[:2])


def test_other_requests_are_limited_per_workspace(alice):
    api = factories.api(factories.token(alice))
    again = factories.api(factories.token(alice))
    browser = factories.browser(alice)

    answers = [api.get(ME), again.get(TOKENS), browser.get(ME), browser.get(ME)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [told(answer) for answer in answers] == [
        ("3", "2"),
        ("3", "1"),
        ("3", "0"),
        ("3", "0"),
    ]
    reset = int(answers[3]["RateLimit-Reset"])
    assert 1 <= reset <= 86_400
    assert answers[3]["Retry-After"] == str(reset)
    assert answers[3].json() == {
        "code": "rate_limited",
        "detail": f"Too many requests. Try again in {reset} seconds.",
        "params": {"retry_after": reset},
    }


def test_another_workspace_has_limits_of_its_own(alice):
    bob = factories.api(factories.token())
    api = factories.api(factories.token(alice))
    for _ in range(4):
        api.get(ME)

    assert api.get(ME).status_code == 429
    assert told(bob.get(ME)) == ("3", "2")


def test_syntheses_are_counted_apart(alice):
    api = factories.api(factories.token(alice))
    url = "/api/v1/speak"

    assert told(api.post(url)) == ("2", "1")
    assert told(api.patch(url)) == ("2", "0")
    assert api.post(url).status_code == 429
    assert told(api.get(url)) == ("3", "2")
    assert told(api.delete(url)) == ("3", "1")
    assert api.get(ME).status_code == 200
    assert told(api.post(url)) == ("2", "0")


def test_guests_are_limited_per_network(db):
    def get(address):
        return factories.api().get(ME, REMOTE_ADDR=address).status_code

    assert [get("192.0.2.1") for _ in range(4)] == [200, 200, 200, 429]
    assert get("192.0.2.2") == 200
    assert [get(f"2001:db8::{n}") for n in range(1, 5)] == [200, 200, 200, 429]
    assert get("2001:db8:0:1::1") == 200


def test_a_forged_header_gives_a_guest_no_more(db):
    statuses = [
        factories.api()
        .get(ME, headers={"X-Forwarded-For": f"203.0.113.{n}"})
        .status_code
        for n in range(5)
    ]

    assert statuses == [200, 200, 200, 429, 429]


def test_guests_syntheses_are_a_quota_not_a_rate(db):
    statuses = [factories.api().post("/api/v1/speak").status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]  # by RATE_OTHER
    assert factories.api().get(ME).status_code == 429


def test_guests_get_no_limit_headers(db):
    response = factories.api().get(ME)

    assert [name for name in LIMITS if name in response.headers] == []


def test_operators_are_not_limited(db, settings):
    settings.ADMIN_ACCESS_KEY = "k" * 32
    api = factories.api("k" * 32)

    answers = [api.get(ME) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers


@pytest.mark.parametrize(
    ("method", "url", "headers", "status"),
    [
        ("get", TOKENS + "/018f0000-0000-7000-8000-000000000000", {}, 405),
        ("delete", TOKENS + "/018f0000-0000-7000-8000-000000000000", {}, 404),
        ("post", TOKENS, {}, 400),
        ("get", ME, {"X-Environment": "mars"}, 400),
    ],
)
def test_error_responses_have_limit_headers(alice, method, url, headers, status):
    api = factories.api(factories.token(alice))

    response = getattr(api, method)(url, headers=headers)

    assert response.status_code == status
    assert told(response) == ("3", "2")


def test_blocked_users_get_limits_and_are_counted_separately(alice):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    of_alice = factories.api(factories.token(alice, workspace=team))
    of_bob = factories.api(factories.token(bob, workspace=team))
    blocking.block(bob)

    answers = [of_bob.get(ME) for _ in range(5)]

    assert [answer.json()["code"] for answer in answers] == ["blocked"] * 5
    assert [told(answer)[1] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert told(of_alice.get(ME)) == ("3", "2")


def test_invalid_tokens_get_no_limit_headers(db):
    response = factories.api("nonsense").get(ME)

    assert response.status_code == 401
    assert [name for name in LIMITS if name in response.headers] == []


def test_without_the_cache_requests_are_not_limited(alice, settings, tmp_path, caplog):
    api = factories.api(factories.token(alice))
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"]
        | {"LOCATION": f"unix://{tmp_path}/nobody-listens.sock"}
    }

    answers = [api.get(ME) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers
    assert [record.message for record in caplog.records] == [
        "the cache is unavailable: requests are not limited for a while"
    ]  # once: other requests don't wait for the cache


def test_limits_hold_again_once_the_cache_is_back(alice, monkeypatch):
    api = factories.api(factories.token(alice))
    monkeypatch.setattr(throttles, "_unlimited_until", time.monotonic() + 60)
    assert "RateLimit-Limit" not in api.get(ME).headers

    monkeypatch.setattr(throttles, "_unlimited_until", time.monotonic())
    assert told(api.get(ME)) == ("3", "2")


def test_one_request_tries_whether_the_cache_is_back(alice, monkeypatch):
    api = factories.api(factories.token(alice))
    monkeypatch.setattr(throttles, "_unlimited_until", time.monotonic())
    meanwhile = []

    def hang(*_: object, **__: object) -> None:
        # The state for other requests while this one waits for its timeout.
        monkeypatch.setattr(
            throttles, "get_usage", lambda *_, **__: pytest.fail("asked")
        )
        meanwhile.append(api.get(ME))
        raise TimeoutError

    monkeypatch.setattr(throttles, "get_usage", hang)
    assert "RateLimit-Limit" not in api.get(ME).headers
    assert [answer.status_code for answer in meanwhile] == [200]
    assert throttles._unlimited_until > time.monotonic()


def test_unknown_tokens_are_not_counted(alice):
    text = factories.token(alice)
    tokens.revoke(tokens.find(text))

    assert {factories.api(text).get(ME).status_code for _ in range(5)} == {401}


def test_a_plan_has_limits_of_its_own(alice, django_assert_num_queries):
    api = factories.api(factories.token(alice))
    api.get(ME)
    with CaptureQueriesContext(connection) as before:
        api.get(TOKENS)
    Workspace.objects.update(rate_synthesis=50, rate_other=7)

    with django_assert_num_queries(len(before)):
        assert told(api.get(TOKENS))[0] == "7"
    assert told(factories.browser(alice).get(ME))[0] == "7"
    assert told(api.post("/api/v1/speak")) == ("50", "49")
    Workspace.objects.update(rate_synthesis=None, rate_other=None)
    assert told(api.post("/api/v1/speak")) == ("2", "1")


def test_each_cache_has_a_server_of_its_own(settings):
    # django-redis shares a pool between caches of the same server, and with it the
    # timeouts of the cache that is used first.
    servers = [cache["LOCATION"] for cache in settings.CACHES.values()]
    assert len(servers) == len(set(servers))
