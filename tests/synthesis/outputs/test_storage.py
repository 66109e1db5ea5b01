"""What a workspace stores is counted, shown and limited."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import StorageUsage, Workspace
from billing.ledger.wallets import summary, wallet_of
from billing.models import Reservation
from synthesis.jobs import cancel
from synthesis.models import Job, Piece, Scene
from synthesis.outputs import assemblies, retention, storage
from synthesis.work import settlement
from synthesis.work.rendering import Rendered
from tests import factories
from tests.synthesis.claim import claim
from tests.synthesis.racing import STARTS, race

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


@pytest.fixture
def caller():
    return factories.caller()


@pytest.fixture
def api(caller) -> Client:
    return factories.api(factories.token(caller.user))


def counted(workspace: Workspace) -> int:
    rows = StorageUsage.objects.filter(workspace=workspace)
    return rows.values_list("stored_bytes", flat=True).first() or 0


def on_disk(*jobs: Job) -> int:
    roots = (settings.OZVENA_HOME / "media" / "jobs" / str(job.pk) for job in jobs)
    files = (path for root in roots for path in root.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def test_the_sum_is_the_size_of_all_files(api, caller, submitted, speak_all) -> None:
    first = submitted(caller, "One.", "Two two.", format="flac")
    second = submitted(caller, "Another job, with two pieces. " * 4)
    speak_all()
    assert counted(caller.workspace) == on_disk(first, second) > 0
    for kind in ("zip", "audio", "m4b"):
        api.get(f"/api/v1/jobs/{first.pk}/{kind}")
    assemblies.work()
    url = f"/api/v1/jobs/{second.pk}/scenes/1"
    api.patch(url, {"text": "Shorter."}, JSON)
    speak_all()
    assert counted(caller.workspace) == on_disk(first, second)
    assert storage.recount() == 0

    shown = api.get("/api/v1/workspaces").json()["results"][0]["storage"]
    assert shown == {
        "used_bytes": on_disk(first, second),
        "limit_bytes": settings.STORAGE_MB * 1_000_000,
    }
    api.delete(f"/api/v1/jobs/{first.pk}")
    assert counted(caller.workspace) == on_disk(second)
    Job.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert retention.purge() == 2
    assert (counted(caller.workspace), on_disk(first, second)) == (0, 0)
    assert storage.recount() == 0


def test_the_calendar_repairs_wrong_sums(caller, submitted, speak_all) -> None:
    jobs = [submitted(caller, "One."), submitted(factories.caller(), "Two.")]
    speak_all()
    right = list(Job.objects.order_by("pk").values_list("stored_bytes", flat=True))
    StorageUsage.objects.filter(workspace=caller.workspace).update(stored_bytes=7)
    Job.objects.filter(pk=jobs[1].pk).update(stored_bytes=1)
    StorageUsage.objects.filter(workspace=jobs[1].workspace).delete()

    # A job, whose trigger makes the row of its workspace anew, and another workspace.
    assert storage.recount() == 3

    wrong = list(Job.objects.order_by("pk").values_list("stored_bytes", flat=True))
    assert wrong == right
    assert [counted(job.workspace) for job in jobs] == right
    assert storage.recount() == 0


@pytest.mark.parametrize("waits", STARTS)
def test_sums_are_repaired_while_they_change(caller, submitted, waits) -> None:
    spoken = Rendered("a.mp3", "a.json", "exact", 1000, stored_bytes=500)
    job = submitted(caller, "One.", "Two.")
    scene = claim()
    with transaction.atomic(durable=True):
        settlement.complete(scene, spoken)
    StorageUsage.objects.update(stored_bytes=7)
    scene = claim()

    def complete() -> None:
        with transaction.atomic(durable=True):
            settlement.complete(scene, spoken)

    race(complete, storage.recount, waits)

    job.refresh_from_db()
    assert job.stored_bytes == 1000
    assert storage.recount() in (0, 1)
    assert counted(caller.workspace) == 1000
    assert storage.recount() == 0


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("post", "/api/v1/jobs", {"text": "More.", "voice": "scripted:one"}),
    ("post", "/api/v1/speech", {"input": "More.", "voice": "scripted:one"}),
    ("post", "/api/v1/jobs/{failed}/retry", {}),
    ("patch", "/api/v1/jobs/{spoken}/scenes/1", {"text": "More."}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_full_workspace_speaks_nothing_more(
    api, caller, submitted, speak_all, method, path, body
) -> None:
    jobs = {"failed": submitted(caller, "Fails."), "spoken": submitted(caller, "Hi.")}
    scene = claim()
    with transaction.atomic():
        settlement.fail(scene, "down")
    speak_all()
    Workspace.objects.filter(pk=caller.workspace.pk).update(storage_mb=3)
    rows = StorageUsage.objects.filter(workspace=caller.workspace)
    rows.update(stored_bytes=3_000_000)
    wallet = wallet_of(caller.workspace, "PRODUCTION")
    before = summary(wallet), Job.objects.count(), Reservation.objects.count()
    url = path.format(**{name: job.pk for name, job in jobs.items()})

    refused = getattr(api, method)(url, body, JSON)

    assert (refused.status_code, refused.json()["code"]) == (403, "storage_limit")
    assert refused.json()["params"] == {"used": 3, "limit": 3}
    assert (summary(wallet), Job.objects.count(), Reservation.objects.count()) == before
    assert not Scene.objects.unfinished().exists()

    rows.update(stored_bytes=2_999_999)
    assert getattr(api, method)(url, body, JSON).status_code in (200, 202)


def test_guests_and_operators_are_not_limited(submitted, speak_all) -> None:
    for caller in (factories.guest(), factories.caller(factories.user(is_staff=True))):
        StorageUsage.objects.create(workspace=caller.workspace, stored_bytes=10**12)
        submitted(caller, "Free.", voice="unicorn:en-us")
    assert speak_all() == 2


def test_people_and_operators_see_it(caller, submitted, speak_all, back_office) -> None:
    submitted(caller, "One.")
    speak_all()
    Workspace.objects.filter(pk=caller.workspace.pk).update(storage_mb=3)
    StorageUsage.objects.update(stored_bytes=2 * 1024 * 1024)
    page = factories.browser(caller.user).get("/usage").content.decode()
    assert "Files: 2.0\xa0MB of 2.9\xa0MB." in page
    url = f"/admin/accounts/workspace/{caller.workspace.pk}/change/"
    assert "2.0\xa0MB of 2.9\xa0MB" in back_office.get(url).content.decode()


def test_a_canceled_job_keeps_what_it_counts(caller, submitted) -> None:
    job = submitted(caller, "One.", "Two.")
    spoken = Rendered("a.mp3", "a.json", "exact", 1000, stored_bytes=500)
    scene = claim()
    with transaction.atomic(durable=True):
        settlement.complete(scene, spoken)
        cancel.cancel(job.pk)
    assert counted(caller.workspace) == 500
    assert Piece.objects.count() == 0
