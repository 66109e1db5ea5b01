"""Export of a user's data as an archive."""

import datetime
import io
import json
import zipfile
from unittest.mock import patch

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from accounts.models import Export
from accounts.people import exports
from billing.ledger.wallets import wallet_of
from kit.mail import outbox
from kit.work import claims
from tests import factories
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = "/api/v1/me/export"
HOURS = datetime.timedelta(hours=1)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("kit.work.bells.ring", lambda *args, **kwargs: None)


@pytest.fixture
def alice():
    return factories.user("alice@example.com")


def fetch(client):
    """Request an archive, let the worker make it, and return its contents."""
    asked = client.get(EXPORT)
    assert (asked.status_code, asked["Retry-After"]) == (202, "1")
    assert asked.json()["status"] == "queued"
    assert exports.work() == 1
    answer = client.get(EXPORT)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    body = b"".join(answer.streaming_content)
    assert len(body) == int(answer["Content-Length"])
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert archive.testzip() is None
    return archive


def table(archive, name):
    (found,) = [path for path in archive.namelist() if path.endswith(name)]
    return json.loads(archive.read(found))


def home_of(archive):
    (place,) = table(archive, "workspaces.json")
    return place["folder"]


def test_an_archive_contains_all_data_of_a_user(alice, submitted, speak_all):
    client = factories.browser(alice)
    text = factories.token(alice, name="Station")
    job = submitted(
        factories.caller(alice), "One.", "Two.", title="Talk", voice="unicorn:en-us"
    )
    speak_all()

    archive = fetch(client)

    home = home_of(archive)
    assert home.startswith("alice-")
    names = set(archive.namelist())
    assert {name for name in names if "/audio/" in name} == {
        f"{home}/audio/{job.pk}/{name}"
        for name in ("001.mp3", "001.words.json", "002.mp3", "002.words.json")
    }
    assert table(archive, "account.json")[0]["email"] == "alice@example.com"
    (login,) = table(archive, "logins.json")
    assert (login["method"], login["ended_at"]) == ("other", None)
    (token,) = table(archive, "/tokens.json")
    assert (token["name"], token["last4"]) == ("Station", text[-4:])
    (row,) = table(archive, "/jobs.json")
    assert (row["id"], row["title"], row["status"]) == (
        str(job.pk),
        "Talk",
        "completed",
    )
    assert [scene["text"] for scene in row["scenes"]] == ["One.", "Two."]
    entries = table(archive, "/credits-production.json")
    assert sum(entry["credits"] for entry in entries) == 5000 - 8
    assert table(archive, "/credits-sandbox.json")[-1]["reason"] == "Sign-up"
    assert table(archive, "/webhooks.json") == []
    scene = job.scenes.get(index=1)
    with default_storage.open(scene.audio) as file:
        sound = file.read()
    assert archive.read(f"{home}/audio/{job.pk}/001.mp3") == sound


def test_an_archive_contains_no_secrets_and_no_hashes(alice, submitted):
    token = factories.token(alice)
    archive = fetch(factories.browser(alice))
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    row = alice.tokens.get()
    for secret in (
        token,
        token[4:20],
        row.digest,
        alice.password,
        "digest",
        "encrypted",
    ):
        assert secret not in everything


def test_get_returns_the_same_archive_for_a_day_and_post_makes_another(alice):
    client = factories.browser(alice)
    fetch(client)
    assert client.get(EXPORT).status_code == 200
    assert Export.objects.count() == 1

    again = client.post(EXPORT)
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    assert client.post(EXPORT).json()["id"] == again.json()["id"]
    assert client.get(EXPORT).status_code == 202
    assert Export.objects.count() == 2
    exports.work()
    assert client.get(EXPORT).status_code == 200


def begin(caller):
    with transaction.atomic():
        return exports.begin(caller).pk


def test_an_idempotency_key_makes_one_archive(alice):
    client = factories.browser(alice)
    once = {"Idempotency-Key": "mine"}
    first = client.post(EXPORT, headers=once)
    exports.work()

    again = client.post(EXPORT, headers=once)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert again["Retry-After"] == "1"
    assert Export.objects.count() == 1


def test_archives_are_limited_per_day(alice):
    client = factories.browser(alice)
    for _ in range(exports.PER_DAY):
        assert client.post(EXPORT).status_code == 202
        exports.work()

    refused = client.post(EXPORT)

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused["Retry-After"]) <= 86_401
    assert Export.objects.count() == exports.PER_DAY
    assert client.get(EXPORT).status_code == 200


def test_concurrent_requests_make_one_archive(alice):
    caller = factories.caller(alice)
    made = in_threads(6, lambda: begin(caller))
    assert len(set(made)) == Export.objects.count() == 1


def test_a_token_exports_its_workspace_and_environment_only(alice, submitted):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob, name="Choir")
    wallet = wallet_of(team, "SANDBOX")
    with transaction.atomic():
        factories.grant(wallet, 100)
    sandbox = {"workspace": team, "environment": "SANDBOX"}
    submitted(factories.caller(alice), "At home.", voice="unicorn:en-us")
    own = submitted(factories.caller(bob, **sandbox), "Bob's.", voice="unicorn:en-us")
    submitted(factories.caller(alice, **sandbox), "Alice's.", voice="unicorn:en-us")
    for person, expected in ((bob, [str(own.pk)]), (alice, None)):
        text = factories.token(person, workspace=team, environment="SANDBOX")
        archive = fetch(factories.api(text))

        assert [place["name"] for place in table(archive, "workspaces.json")] == [
            "Choir"
        ]
        jobs = [row["id"] for row in table(archive, "/jobs.json")]
        if expected is not None:  # a member: what they made, and no money
            assert jobs == expected
            assert not [name for name in archive.namelist() if "credits" in name]
        else:  # the owner: all of it, in the token's environment
            assert len(jobs) == 2
            assert [name for name in archive.namelist() if "credits" in name] == [
                f"{home_of(archive)}/credits-sandbox.json"
            ]


def test_an_archive_contains_no_data_of_others(alice, submitted):
    bob = factories.user("bob@example.com")
    submitted(factories.caller(bob), "A stranger's words.", voice="unicorn:en-us")
    archive = fetch(factories.browser(alice))
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"stranger" not in everything
    assert b"bob" not in everything


def test_expired_files_are_left_out(alice, submitted, speak_all):
    job = submitted(factories.caller(alice), "One.", voice="unicorn:en-us")
    speak_all()
    default_storage.delete(job.scenes.get().audio)
    archive = fetch(factories.browser(alice))
    assert [name for name in archive.namelist() if name.endswith(".mp3")] == []
    assert table(archive, "/jobs.json")[0]["status"] == "completed"


def test_a_mail_is_sent_when_the_archive_is_ready(alice):
    fetch(factories.browser(alice))
    outbox.work()
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (
        ["alice@example.com"],
        "Your data at Ozvena is ready",
    )
    assert "/settings/account" in sent.body


def test_a_worker_that_was_killed_loses_nothing(alice):
    client = factories.browser(alice)
    client.get(EXPORT)
    held = exports.work.take()
    assert held is not None
    Export.objects.update(lease_until=Now() - HOURS)

    exports.work.sweep()
    assert exports.work() == 1

    export = Export.objects.get()
    assert (export.status, export.crashes, export.fence) == ("completed", 1, 2)
    with pytest.raises(claims.LeaseLost), transaction.atomic():
        claims.lock_held(held)


def test_an_archive_that_fails_is_given_up_and_can_be_requested_again(alice, caplog):
    client = factories.browser(alice)
    client.get(EXPORT)
    with patch.object(exports, "_write_zip", side_effect=OSError("disk full")):
        for _ in range(3):
            exports.work()
            Export.objects.update(ready_at=Now())
    export = Export.objects.get()
    assert (export.status, export.attempts, export.file) == ("failed", 3, "")

    assert client.get(EXPORT).status_code == 202
    assert exports.work() == 1
    assert client.get(EXPORT).status_code == 200


def test_an_archive_is_deleted_after_a_day(alice):
    client = factories.browser(alice)
    fetch(client)
    name = Export.objects.get().file
    assert exports.prune() == 0
    Export.objects.update(created_at=Now() - 25 * HOURS)

    assert exports.newest(factories.caller(alice)) is None
    assert exports.prune() == 1
    assert not default_storage.exists(name)
    assert not Export.objects.exists()


def test_range_requests(alice):
    client = factories.browser(alice)
    fetch(client)
    part = client.get(EXPORT, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.getvalue()) == (206, b"PK\x03\x04")


def test_export_by_page(alice):
    client = factories.browser(alice)
    assert client.get("/settings/account/export").status_code == 404
    packing = client.post("/settings/account/export", follow=True).content.decode()
    assert "We are preparing your data." in packing
    assert "Download" not in packing
    exports.work()
    page = client.get("/settings/account").content.decode()
    assert 'href="/settings/account/export?download"' in page
    sent = client.get("/settings/account/export?download")
    assert sent.status_code == 200
    assert sent["Content-Disposition"].startswith('attachment; filename="ozvena-')


def test_operators_request_an_archive_and_the_user_gets_a_mail(alice):
    office = factories.browser(
        factories.user("root@example.com", is_staff=True, is_superuser=True)
    )
    office.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "export", "_selected_action": str(alice.pk), "reason": "asked"},
    )
    assert exports.work() == 1
    assert Export.objects.get().user == alice
    assert office.get(reverse("admin:accounts_export_changelist")).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_guests_and_operators_keys_have_no_data(db, settings, method):
    settings.ADMIN_ACCESS_KEY = "k" * 40
    guest = getattr(factories.api(), method)(EXPORT)
    assert (guest.status_code, guest.json()["code"]) == (401, "authentication_required")
    key = getattr(factories.api("k" * 40), method)(EXPORT)
    assert (key.status_code, key.json()["code"]) == (403, "permission_denied")
    assert not Export.objects.exists()
