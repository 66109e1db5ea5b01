"""API of files: whole, in ranges, joined, and by signed links."""

import io
import json
import zipfile
from datetime import datetime, timedelta

import av
import pytest
from django.utils import timezone

from accounts.models import Workspace
from synthesis.models import Assembly, Job
from synthesis.outputs import assemblies
from tests import factories
from tests.synthesis.decoded import milliseconds_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def api(owner):
    return factories.api(factories.token(owner))


@pytest.fixture
def job(owner, submitted, speak_all):
    job = submitted(
        factories.caller(owner), "The first scene.", "And the second.", title="My book"
    )
    speak_all()
    job.refresh_from_db()
    return job


def content(response):
    if response.streaming:
        return b"".join(response.streaming_content)
    return response.content


@pytest.fixture
def audio_url(job) -> str:
    return f"/api/v1/jobs/{job.pk}/scenes/1/audio"


def test_ranges(api, audio_url) -> None:
    whole = api.get(audio_url)
    data = content(whole)
    assert (whole.status_code, whole["Accept-Ranges"]) == (200, "bytes")
    size = len(data)
    for wanted, first, last in [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, size - 1),
        ("bytes=-50", size - 50, size - 1),
        (f"bytes=10-{size * 9}", 10, size - 1),
    ]:
        part = api.get(audio_url, headers={"Range": wanted})
        assert part.status_code == 206
        assert part["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert content(part) == data[first : last + 1]
        assert int(part["Content-Length"]) == last - first + 1
    beyond = api.get(audio_url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{size}")
    huge = f"bytes={'9' * 5000}-"
    odds = ["bytes=", "bytes=9-1", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", huge]
    for odd in odds:
        assert content(api.get(audio_url, headers={"Range": odd})) == data
    stale = api.get(audio_url, headers={"Range": "bytes=0-9", "If-Range": '"old"'})
    assert content(stale) == data
    unchanged = api.get(audio_url, headers={"If-None-Match": whole["ETag"]})
    assert unchanged.status_code == 304


def test_a_download_has_a_name(api, audio_url) -> None:
    saved = api.get(f"{audio_url}?download=1")
    assert saved["Content-Disposition"] == 'attachment; filename="001.mp3"'
    assert saved["Content-Type"] == "audio/mpeg"
    content(saved)


def test_the_joined_audio_is_made_on_demand(api, job) -> None:
    url = f"/api/v1/jobs/{job.pk}/audio"
    early = api.get(url)
    assert (early.status_code, early["Retry-After"]) == (202, "1")
    assert api.get(url).status_code == 202
    assert Assembly.objects.count() == 1

    assert assemblies.work() == 1

    done = api.get(url)
    assert done["Content-Disposition"] == 'inline; filename="my-book.mp3"'
    scenes_ms = sum(job.scenes.values_list("duration_ms", flat=True))
    expected = scenes_ms + assemblies.BETWEEN_SCENES_MS
    assert milliseconds_of(content(done)) == pytest.approx(expected, abs=3)


def test_an_assembly_that_kills_workers_fails_and_can_be_requested_again(
    api, job
) -> None:
    url = f"/api/v1/jobs/{job.pk}/audio"
    api.get(url)
    Assembly.objects.update(crashes=3)
    assemblies.work.sweep()
    assert Assembly.objects.get().status == "failed"
    assert assemblies.work() == 0

    assert api.get(url).status_code == 202
    assert assemblies.work() == 1
    assert api.get(url).status_code == 200


def test_an_audiobook_has_chapters(api, job) -> None:
    url = f"/api/v1/jobs/{job.pk}/m4b"
    api.get(url)
    assemblies.work()
    done = api.get(url)
    assert done["Content-Type"] == "audio/mp4"
    with av.open(io.BytesIO(content(done))) as container:
        chapters = [
            (
                chapter["metadata"]["title"],
                chapter["start"] * float(chapter["time_base"] or 0),
            )
            for chapter in container.chapters()
        ]
        assert container.metadata["title"] == "My book"
    first = job.scenes.get(index=1)
    start = (first.duration_ms + assemblies.BETWEEN_SCENES_MS) / 1000
    assert chapters == [("1", 0.0), ("2", pytest.approx(start, abs=0.003))]


def test_a_zip_has_a_file_per_scene(api, job) -> None:
    url = f"/api/v1/jobs/{job.pk}/zip"
    api.get(url)
    assemblies.work()
    archive = zipfile.ZipFile(io.BytesIO(content(api.get(url))))
    assert archive.namelist() == ["001.mp3", "002.mp3"]
    assert archive.testzip() is None


def test_captions_follow_the_joined_audio(api, job) -> None:
    srt = content(api.get(f"/api/v1/jobs/{job.pk}/srt")).decode()
    vtt = content(api.get(f"/api/v1/jobs/{job.pk}/vtt")).decode()
    assert vtt.startswith("WEBVTT\n")
    assert "The first scene." in srt
    assert "And the second." in vtt
    first = job.scenes.get(index=1)
    start = (first.duration_ms + assemblies.BETWEEN_SCENES_MS) / 1000
    assert f"00:00:{start:06.3f}"[:11] in vtt


def test_an_edited_scene_makes_a_new_assembly(api, job, speak_all) -> None:
    url = f"/api/v1/jobs/{job.pk}/audio"
    api.get(url)
    assemblies.work()
    first = content(api.get(url))
    api.patch(
        f"/api/v1/jobs/{job.pk}/scenes/2",
        json.dumps({"text": "A longer second scene than before."}),
        content_type="application/json",
    )
    assert content(api.get(url)) == first
    speak_all()
    assert api.get(url).status_code == 202
    assemblies.work()
    assert len(content(api.get(url))) > len(first)


def test_signed_links_open_without_a_login_until_they_end(api, job, owner) -> None:
    answer = api.post(
        f"/api/v1/jobs/{job.pk}/links",
        json.dumps({"expires_in": 60}),
        content_type="application/json",
    )
    assert answer.status_code == 201
    left = datetime.fromisoformat(answer.json()["expires_at"]) - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    url = answer.json()["scenes"][0]["audio_url"]
    anybody = factories.api()
    assert content(anybody.get(url)) == content(
        api.get(f"/api/v1/jobs/{job.pk}/scenes/1/audio")
    )
    assert anybody.get(url.split("?")[0]).status_code == 404
    assert anybody.get(url[:-2] + "xx").status_code == 404
    other = url.replace(str(job.pk), str(job.scenes.get(index=1).pk))
    assert anybody.get(other).status_code == 404

    Workspace.objects.filter(pk=job.workspace_id).update(is_blocked=True)
    assert anybody.get(url).status_code == 404
    Workspace.objects.filter(pk=job.workspace_id).update(is_blocked=False)
    assert anybody.get(url).status_code == 200
    Job.objects.update(is_deleted=True, deleted_at=timezone.now())
    assert anybody.get(url).status_code == 404


def test_expired_audio_is_gone(api, job, audio_url) -> None:
    Job.objects.update(expires_at=timezone.now())
    answer = api.get(audio_url)
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
