"""API of the ledger entries of a job."""

import pytest

from billing.models import LedgerEntry
from synthesis.models import Job, Scene
from tests import factories
from tests.synthesis.api.test_jobs import JOBS, post

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]


@pytest.fixture
def owner():
    return factories.user("alice@example.com")


@pytest.fixture
def job(owner) -> Job:
    api = factories.api(factories.token(owner))
    post(api, JOBS, {"text": "Another job.", "voice": "scripted:one"})
    body = {
        "scenes": [{"text": "Hello world."}, {"text": "Goodbye."}],
        "voice": "scripted:one",
    }
    made = post(api, JOBS, body).json()
    return Job.objects.get(pk=made["transaction_id"])


def entries(client, job: Job, query: str = ""):
    return client.get(f"{JOBS}/{job.pk}/entries{query}")


def moves(results: list[dict]) -> list[tuple[str, str, int]]:
    return [(one["kind"], one["bucket"], one["credits"]) for one in results]


def test_entries_are_those_of_the_job_only(owner, job, speak_all):
    api = factories.api(factories.token(owner))
    assert moves(entries(api, job).json()["results"]) == [
        ("reserve", "reserved", 20),
        ("reserve", "promo", -20),
    ]
    Scene.objects.filter(job=job, index=2).update(text="")  # nothing can speak this
    speak_all()
    shown = entries(api, job).json()
    assert (shown["next"], shown["previous"]) == (None, None)
    results = shown["results"]
    assert {one["job"] for one in results} == {str(job.pk)}
    assert sum(one["credits"] for one in results) == 0
    assert (
        len(results) == LedgerEntry.objects.of_job(job.workspace, str(job.pk)).count()
    )
    used = [one["credits"] for one in results if one["bucket"] == "usage"]
    job.refresh_from_db()
    assert sum(used) == job.charged


def test_pages(owner, job):
    api = factories.api(factories.token(owner))
    first = entries(api, job, "?limit=1").json()
    assert moves(first["results"]) == [("reserve", "reserved", 20)]
    rest = api.get(first["next"]).json()
    assert moves(rest["results"]) == [("reserve", "promo", -20)]


def test_strangers_and_guests_see_no_entries(job):
    stranger = factories.api(factories.token())
    assert entries(stranger, job).status_code == 404
    assert entries(factories.api(), job).status_code == 401


def test_the_number_of_queries_is_constant(owner, job, django_assert_max_num_queries):
    api = factories.browser(owner)
    entries(api, job)
    with django_assert_max_num_queries(9):
        assert entries(api, job).status_code == 200
