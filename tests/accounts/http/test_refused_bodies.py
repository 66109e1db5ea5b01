"""The rate limit for refused bodies."""

import time
from typing import Any

import pytest
from django.core.cache import caches

from accounts.http import refused_bodies
from tests import factories

JOBS = "/api/v1/jobs"
ESTIMATE = "/api/v1/estimate"
ME = "/api/v1/me"
BAD = b"nonsense"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def minute(settings, monkeypatch):
    """A minute that lasts as long as the test; a limit of three."""
    settings.REFUSED_BODIES = 3
    began = time.time() // 60 * 60 + 10
    now = [began]
    monkeypatch.setattr("accounts.http.refused_bodies.time.time", lambda: now[0])
    return now


def post(client, body=BAD, path=JOBS, **headers):
    return client.post(path, body, "application/json", headers=headers)


def from_address(address):
    fields: Any = {"REMOTE_ADDR": address}
    return factories.api().post(JOBS, BAD, "application/json", **fields).status_code


def summary(answer):
    return answer.status_code, answer.json()["code"], answer.get("Retry-After")


def test_a_caller_above_the_limit_waits(minute):
    guest = factories.api()
    for _ in range(4):
        assert summary(post(guest)) == (400, "malformed_json", None)
    refused = (429, "rate_limited", "50")
    assert summary(post(guest)) == refused
    assert summary(post(guest, b'{"text": "Hello."}')) == refused  # it isn't looked at
    assert guest.get(ME).status_code == 200
    assert (
        guest.post("/login", {"email": "a@example.com"}).status_code == 403
    )  # no token
    minute[0] += 49
    assert summary(post(guest)) == (429, "rate_limited", "1")
    minute[0] += 1
    assert summary(post(guest)) == (400, "malformed_json", None)


def test_other_callers_are_not_limited():
    alice, bob = factories.user(), factories.user()
    first, second = (factories.api(factories.token(alice)) for _ in range(2))
    for _ in range(4):
        post(first, path=ESTIMATE)
    assert (
        summary(post(second, path=ESTIMATE))[1] == "rate_limited"
    )  # it is one workspace
    assert summary(post(factories.api(factories.token(bob)), path=ESTIMATE))[0] == 400
    assert summary(post(factories.api()))[0] == 400
    for _ in range(4):
        from_address("192.0.2.1")
    assert from_address("192.0.2.1") == 429
    assert from_address("192.0.2.2") == 400


def test_a_long_body_counts_as_several():
    guest = factories.api()
    assert summary(post(guest, b'"' + b"a" * (3 * 65_536)))[0] == 400
    assert summary(post(guest)) == (429, "rate_limited", "50")


def test_a_body_that_is_too_long_counts_for_its_network(settings):
    settings.BODY_LIMITS = {"/": 1000}
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    guest = factories.api()
    for _ in range(4):
        assert summary(post(guest, b"a" * 1001))[:2] == (413, "body_too_large")
    assert summary(post(guest))[:2] == (429, "rate_limited")
    token = factories.api(factories.token())
    assert summary(post(token, path=ESTIMATE))[0] == 400


def test_good_bodies_and_other_refusals_count_for_nothing():
    alice = factories.user()
    api = factories.api(factories.token(alice))
    for _ in range(5):
        good = api.patch(ME, b'{"preferences": {"a": 1}}', "application/json")
        assert good.status_code == 200
        assert api.get("/api/v1/jobs?status=nonsense").status_code == 400  # no body
        assert post(factories.api("ozv-nobody")).status_code == 401
    assert summary(post(api, path=ESTIMATE))[0] == 400


def test_operators_are_not_limited(settings):
    settings.ADMIN_ACCESS_KEY = "operators-key-that-is-long-enough"
    operators = factories.api(settings.ADMIN_ACCESS_KEY)
    for _ in range(6):
        assert summary(post(operators, path=ESTIMATE))[0] == 400


def test_another_process_notices_with_its_next_refused_body(monkeypatch):
    guest = factories.api()
    for _ in range(4):
        post(guest)
    refused_bodies.forget()  # as if it was another one
    assert summary(post(guest))[0] == 400
    assert summary(post(guest))[0] == 429


def test_without_the_cache_nobody_is_limited(monkeypatch):
    def away(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(type(caches["default"]), "incr", away)
    guest = factories.api()
    for _ in range(6):
        assert summary(post(guest))[0] == 400


def test_the_number_of_known_callers_is_limited(monkeypatch):
    monkeypatch.setattr(refused_bodies, "_MAX_KNOWN", 2)
    for number in range(6):
        for _ in range(4):
            from_address(f"192.0.2.{number}")
    assert len(refused_bodies._blocked_until) <= 2
