"""Deletion of expired and superseded files, and of deleted jobs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F
from django.test import Client
from django.utils import timezone

from billing.models import LedgerTransaction
from kit.files import storage
from kit.models import IdempotencyRecord
from providers.contract.base import Failure, ProviderError
from synthesis.models import Assembly, Job, Piece, Scene, Take
from synthesis.outputs import assemblies, retention
from tests import factories
from tests.synthesis import scripted

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


def test_a_purge_goes_on_until_nothing_is_left(submitted, monkeypatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    caller = factories.caller()
    for number in range(7):
        submitted(caller, f"Number {number}.")
    past = timezone.now() - timedelta(days=31)
    Job.objects.update(status="canceled", expires_at=past)
    some = list(Job.objects.values_list("pk", flat=True)[:3])
    Job.objects.filter(pk__in=some).update(is_deleted=True, deleted_at=past)

    assert retention.purge(seconds=0) == 0
    assert Job.objects.filter(files_removed_at=None).count() == 7
    assert retention.purge() == 7
    assert Job.objects.filter(files_removed_at=None).count() == 0
    assert Job.objects.count() == 4


def test_what_cannot_be_removed_holds_up_nothing(
    submitted, speak_all, monkeypatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    caller = factories.caller()
    jobs = [submitted(caller, f"Number {number}.") for number in range(5)]
    speak_all()
    Job.objects.update(expires_at=timezone.now() - timedelta(days=1))
    broken = {folder(job) for job in jobs[:3]}
    delete = storage.delete_tree

    def refuse(files: Any, prefix: str) -> int:
        if settings.OZVENA_HOME / "media" / prefix in broken:
            raise PermissionError(prefix)
        return delete(files, prefix)

    monkeypatch.setattr(retention, "delete_tree", refuse)
    assert retention.purge() == 2
    assert [folder(job).exists() for job in jobs] == [True, True, True, False, False]
    broken.clear()
    assert retention.purge() == 3


JSON = "application/json"


def stored(job: Job) -> set[str]:
    """Return the names of all files of a job, below its folder."""
    root = folder(job)
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def change(api: Client, job: Job, **changes: Any) -> None:
    url = f"/api/v1/jobs/{job.pk}/scenes/1"
    assert api.patch(url, changes, JSON).status_code in (200, 202)


def assemble(api: Client, job: Job) -> None:
    api.get(f"/api/v1/jobs/{job.pk}/zip")
    assemblies.work()
    assert api.get(f"/api/v1/jobs/{job.pk}/zip").status_code == 200


def let_pass(span: timedelta) -> None:
    Take.objects.update(superseded_at=F("superseded_at") - span)
    Assembly.objects.update(superseded_at=F("superseded_at") - span)
    IdempotencyRecord.objects.update(created_at=F("created_at") - span)


@pytest.mark.slow("speaks a job three times, and zips it three times")
def test_superseded_files_are_removed_after_an_hour(submitted, speak_all) -> None:
    caller = factories.caller()
    api = factories.api(factories.token(caller.user))
    job = submitted(caller, "Old words.", "Other.")
    speak_all()
    assemble(api, job)
    old = stored(job)
    other = str(job.scenes.get(index=2).pk)
    change(api, job, text="New words, spoken.")
    speak_all()
    change(api, job, text="Refused.")
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    speak_all()
    assemble(api, job)
    both = stored(job)
    assert old < both
    let_pass(timedelta(minutes=59))
    retention.purge()
    assert stored(job) == both

    let_pass(timedelta(minutes=2))
    retention.purge()

    kept = stored(job)
    assert kept == {name for name in both - old if name} | {
        name for name in old if name.startswith(other)
    }
    assert (Take.objects.count(), Assembly.objects.count()) == (0, 1)
    assert Piece.objects.count() == 2
    assemble(api, job)
    for scene in Scene.objects.all():
        assert default_storage.exists(scene.audio)
    job.refresh_from_db()
    sizes = sum((folder(job) / name).stat().st_size for name in kept)
    assert job.stored_bytes == sizes


def test_what_an_answer_names_is_kept_as_long_as_its_key(voices, speak_all) -> None:
    api = factories.api(factories.token(factories.user()))
    body = {"input": "Old words.", "voice": "scripted:one"}

    def speak() -> Any:
        headers = {"Idempotency-Key": "k"}
        return api.post("/api/v1/speech", body, JSON, headers=headers)

    first = speak()
    job = Job.objects.get()
    change(api, job, text="New words.")
    speak_all()
    for hours in (2, 20):
        let_pass(timedelta(hours=hours))
        retention.purge()
        assert speak().content == first.content
    let_pass(timedelta(hours=3))
    retention.purge()
    assert not Take.objects.exists()
    assert {name.split("/")[1].split("-")[0] for name in stored(job)} == {"2"}
    assert speak().json()["transaction_id"] != str(job.pk)
