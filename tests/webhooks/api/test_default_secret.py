"""The default secret: who may see it, and who may rotate it."""

import time

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import Membership
from kit.models import IdempotencyRecord
from tests import factories as people
from webhooks.models import DefaultSigner
from webhooks.sending import signing

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]
WEBHOOKS = "/api/v1/webhooks"


@pytest.fixture
def alice():
    return people.user()


@pytest.fixture
def client(alice) -> Client:
    return people.api(people.token(alice))


def test_default_secret_needs_an_owner_with_a_fresh_login(
    alice, client: Client, settings, monkeypatch
) -> None:
    path = f"{WEBHOOKS}/default-secret"
    settings.ADMIN_ACCESS_KEY = "k" * 32
    for bearer in (client, people.api("k" * 32)):
        refused = bearer.get(path)
        assert (refused.status_code, refused.json()["code"]) == (
            403,
            "fresh_login_required",
        )
    assert people.api().get(path).status_code == 401

    browser = people.browser(alice)
    shown = browser.get(path)
    assert shown.status_code == 200
    assert shown.json()["secret"].startswith("whsec_")
    assert browser.get(path).json() == shown.json()
    assert DefaultSigner.objects.count() == 1
    now = time.time()
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 901)
    assert browser.get(path).json()["code"] == "fresh_login_required"
    assert people.browser(alice).get(path).status_code == 200


def test_owners_rotate_the_default_secret(alice, client: Client) -> None:
    path = f"{WEBHOOKS}/default-secret"
    browser = people.browser(alice)
    old = browser.get(path).json()
    assert old["old_secret_until"] is None
    assert client.post(f"{path}/rotate").json()["code"] == "fresh_login_required"

    new = browser.post(f"{path}/rotate").json()
    assert new["secret"] != old["secret"]
    assert browser.get(path).json() == new
    assert browser.post(f"{path}/rotate").json()["code"] == "rotation_in_progress"
    keys = signing.keys_of(DefaultSigner.objects.get())
    assert [key.reveal_text() for key in keys] == [new["secret"], old["secret"]]


def test_repeated_rotation_with_one_key_rotates_once(alice) -> None:
    browser = people.browser(alice)
    path = f"{WEBHOOKS}/default-secret/rotate"
    first = browser.post(path, headers={"Idempotency-Key": "k1"})
    again = browser.post(path, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert again["Cache-Control"] == "no-store"
    assert not IdempotencyRecord.objects.filter(body__contains="whsec_").exists()


def test_command_prints_the_operators_secret(capsys) -> None:
    call_command("default_secret")
    signer = DefaultSigner.objects.get()
    assert signer.workspace.kind == "operators"
    assert capsys.readouterr().out.strip() == signing.secret_of(signer).reveal_text()


def test_members_cannot_see_the_default_secret() -> None:
    owner, member = people.user(), people.user()
    team = people.team(owner, member)
    answer = people.browser(member).get(
        f"{WEBHOOKS}/default-secret", headers={"X-Workspace": str(team.pk)}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    Membership.objects.filter(user=member, workspace=team).update(role="admin")
    again = people.browser(member).get(
        f"{WEBHOOKS}/default-secret", headers={"X-Workspace": str(team.pk)}
    )
    assert again.status_code == 403
