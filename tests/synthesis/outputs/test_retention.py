"""Deletion of expired files and of deleted jobs."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from billing.models import LedgerTransaction
from synthesis.models import Job
from synthesis.outputs import retention
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def folder(job: Job) -> Path:
    return settings.OZVENA_HOME / "media" / "jobs" / str(job.pk)


def test_files_that_just_expired_are_kept_for_running_requests(
    submitted, speak_all
) -> None:
    """A retry may start before the files expire, and commit after that."""
    job = submitted(factories.caller(), "Just over.")
    speak_all()
    for ago, purged in ((timedelta(minutes=9), 0), (timedelta(minutes=11), 1)):
        Job.objects.update(expires_at=timezone.now() - ago)
        assert retention.purge() == purged
        assert folder(job).exists() == (not purged)


def test_a_purge_deletes_only_expired_files(submitted, speak_all) -> None:
    caller = factories.caller()
    expired, deleted, kept = (submitted(caller, f"Number {n}.") for n in range(3))
    speak_all()
    past = timezone.now() - timedelta(days=31)
    Job.objects.filter(pk=expired.pk).update(expires_at=past)
    Job.objects.filter(pk=deleted.pk).update(is_deleted=True, deleted_at=past)
    postings = LedgerTransaction.objects.count()

    assert retention.purge() == 2
    assert retention.purge() == 0

    assert not folder(expired).exists()
    assert not folder(deleted).exists()
    assert folder(kept).exists()
    assert set(Job.objects.values_list("pk", flat=True)) == {expired.pk, kept.pk}
    assert LedgerTransaction.objects.count() == postings


def test_running_jobs_are_not_purged(submitted) -> None:
    job = submitted(factories.caller(), "Waiting.")
    Job.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert retention.purge() == 0
    assert Job.objects.filter(pk=job.pk, files_removed_at=None).exists()


@pytest.mark.parametrize(("of_the_plan", "days"), [(None, 30), (365, 365), (1, 1)])
def test_files_are_kept_as_long_as_the_plan_says(submitted, of_the_plan, days) -> None:
    caller = factories.caller()
    caller.workspace.retention_days = of_the_plan
    job = submitted(caller, "Keep this.")
    assert job.expires_at - job.created_at == timedelta(days=days)


def test_the_settings_say_how_long_files_are_kept(submitted, settings) -> None:
    settings.RETENTION_DAYS = 3
    job = submitted(factories.caller(), "Keep this.")
    assert job.expires_at - job.created_at == timedelta(days=3)
