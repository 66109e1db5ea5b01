"""Guests have five tries a day and built-in voices, and see no jobs of others."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from synthesis.jobs import submit
from synthesis.models import Job
from tests import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]

BODY = {"text": "A visitor speaks.", "voice": "unicorn:en-us"}
_WAYS = [
    ("/api/v1/jobs", BODY),
    ("/api/v1/speech", {"input": "Hi.", "voice": "unicorn:en-us"}),
]


def post(url: str, body: object, **extra: Any):
    return factories.api().post(
        url, json.dumps(body), content_type="application/json", **extra
    )


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8:0:7::{number:x}"])
def test_of_a_hundred_parallel_tries_five_are_allowed(address: str) -> None:
    """On both routes, with forged headers, from all addresses of one network."""

    def send(number: int) -> tuple[int, str]:
        path, body = _WAYS[number % 2]
        try:
            answer = post(
                path,
                body,
                REMOTE_ADDR=address.format(number=number + 1),
                HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
                HTTP_FORWARDED=f"for=198.51.100.{number}",
                HTTP_X_REAL_IP=f"198.51.100.{number}",
            )
            return answer.status_code, answer.json().get("code", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as threads:
        answers = Counter(threads.map(send, range(100)))

    assert answers[202, ""] + answers[200, ""] == 5
    assert answers[429, "guest_limit"] == 95
    assert Job.objects.count() == 5
    other = post("/api/v1/jobs", BODY, REMOTE_ADDR="2001:db8:0:8::1")
    assert other.status_code == 202


def test_a_request_that_fails_is_not_counted_as_a_try() -> None:
    silence = {"input": "!!!", "voice": "unicorn:en-us"}
    for _ in range(6):
        refused = post("/api/v1/speech", silence, REMOTE_ADDR="192.0.2.8")
        assert (refused.status_code, refused.json()["code"]) == (400, "empty_text")
    left = submit.guest_tries_left("192.0.2.8")
    assert left == 5


def test_responses_show_the_tries_left_and_refusals_do_not_count() -> None:
    assert post("/api/v1/jobs", BODY)["X-Guest-Remaining"] == "4"
    too_long = post("/api/v1/jobs", BODY | {"text": "x" * 501})
    assert (too_long.status_code, too_long.json()["code"]) == (400, "text_too_long")
    foreign = post("/api/v1/jobs", BODY | {"voice": "scripted:one"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "guest_provider")
    hook = post("/api/v1/jobs", BODY | {"webhook_url": "https://example.com/"})
    assert (hook.status_code, hook.json()["code"]) == (403, "guest_option")
    assert post("/api/v1/speech", {"input": "Hi.", "voice": "unicorn:en-us"})[
        "X-Guest-Remaining"
    ] == ("3")
    assert Job.objects.count() == 2


def test_the_limit_has_a_retry_after(settings) -> None:
    settings.GUEST_PER_DAY = 0
    answer = post("/api/v1/jobs", BODY)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 86_400
    assert Job.objects.count() == 0


def test_a_guests_job_is_visible_by_its_id(speak_all) -> None:
    job = post("/api/v1/jobs", BODY).json()
    speak_all()
    another_guest = factories.api()
    done = another_guest.get(job["links"]["self"])
    assert done.json()["status"] == "completed"
    assert another_guest.get(done.json()["scenes"][0]["audio_url"]).status_code == 200
    for method, path in [("get", "/api/v1/jobs"), ("post", "/api/v1/estimate")]:
        answer = getattr(another_guest, method)(path)
        assert (answer.status_code, answer.json()["code"]) == (
            401,
            "authentication_required",
        )
    assert another_guest.delete(job["links"]["self"]).status_code == 401
    canceled = another_guest.post(job["links"]["self"] + "/cancel")
    assert (canceled.status_code, canceled.json()["code"]) == (
        409,
        "job_not_cancelable",
    )


def test_a_guests_job_expires_after_a_day() -> None:
    job = post("/api/v1/jobs", BODY).json()
    Job.objects.update(expires_at="2020-01-01T00:00:00Z")
    answer = factories.api().get(job["links"]["self"])
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
