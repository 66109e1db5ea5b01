"""`verify_ledger` detects damage to usage and jobs, and no job that was rightly deleted."""

import pytest
from django.db import transaction

from billing.models import Usage
from providers.models import Provider
from synthesis.jobs import cancel
from synthesis.models import Job
from synthesis.work import settlement
from synthesis.work.rendering import Rendered
from tests import factories
from tests.billing.factories import violations, without_guards
from tests.cases import cases
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)
SPOKEN = Rendered(audio="a.mp3", words="a.json", timing="exact", duration_ms=1000)

PLANTED = {
    "a usage row is gone": (
        "DELETE FROM billing_usage WHERE job = %(paid)s",
        {"I15": 1, "I17": 1},
    ),
    "a usage row of a deleted job is gone": (
        "DELETE FROM synthesis_scene WHERE job_id = %(paid)s::uuid;"
        "DELETE FROM synthesis_job WHERE id = %(paid)s::uuid;"
        "DELETE FROM billing_usage WHERE job = %(paid)s",
        {"I15": 1},
    ),
    "a usage row that cost nothing is gone": (
        "DELETE FROM billing_usage WHERE job = %(free)s",
        {"I17": 1},
    ),
    "a usage row was invented": (
        "INSERT INTO billing_usage (workspace_id, environment, job, scene, render,"
        " provider, voice, characters, credits, from_subscription, from_credits,"
        " billed_to, content_hash, created_at)"
        " SELECT workspace_id, environment, 'other', 'other', 1, provider, voice, 5, 5, 0,"
        " 5, billed_to, content_hash, created_at FROM billing_usage WHERE credits > 0",
        {"I15": 2},
    ),
    "usage was charged less": (
        "UPDATE billing_usage SET credits = 1, from_credits = 1 WHERE job = %(paid)s",
        {"I15": 2},
    ),
    "a job was charged less": (
        "UPDATE synthesis_job SET charged = 1 WHERE id = %(paid)s::uuid",
        {"I16": 1},
    ),
    "a job was paid by a plan": (
        "UPDATE synthesis_job SET charged_to_subscription = 5"
        " WHERE id = %(paid)s::uuid",
        {"I16": 1},
    ),
    "a job got nothing back": (
        "UPDATE synthesis_job SET refunded = 0 WHERE id = %(paid)s::uuid",
        {"I16": 1},
    ),
} | {
    f"{column} of usage was changed": (
        f"UPDATE billing_usage SET {column} = {value} WHERE job = %(paid)s",
        {"I15": 1},
    )
    for column, value in (
        ("characters", "characters + 1"),
        ("voice", "'another'"),
        ("provider", "'another'"),
        ("user_id", "NULL"),
        ("token_id", "gen_random_uuid()"),
        ("created_at", "created_at - interval '40 days'"),
    )
}


@pytest.fixture
def caller():
    return factories.caller()


@pytest.fixture
def jobs(caller, submitted):
    """A job that was paid in part and canceled, and one that cost nothing."""
    paid = submitted(caller, "Five.", "More.")
    _complete()
    with transaction.atomic():
        cancel.cancel(paid.pk)
    Provider.objects.update(is_open_to_guests=True)
    free = submitted(factories.guest(), "Free.")
    _complete()
    return {"paid": str(paid.pk), "free": str(free.pk)}


def _complete() -> None:
    scene = claim()
    with transaction.atomic():
        settlement.complete(scene, SPOKEN)


def test_planted_damage_is_detected(jobs):
    assert [used.credits for used in Usage.objects.order_by("pk")] == [5, 0]
    assert violations() == {}
    for damage, case in cases(PLANTED):
        statement, noticed = PLANTED[damage]
        with case, without_guards() as cursor:
            cursor.execute(statement, jobs)
            assert violations() == noticed
            transaction.set_rollback(True)
        assert violations() == {}


def test_deleted_jobs_are_no_damage(jobs):
    for job in Job.objects.all():
        job.delete()
    assert Usage.objects.count() == 2
    assert violations() == {}
