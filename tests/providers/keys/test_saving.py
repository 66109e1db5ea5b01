"""The API of own keys: saving, checking, removing, and permissions."""

import json
import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Membership
from kit.models import QuotaCounter
from kit.secrets import CannotDecrypt, decrypt
from providers import tasks
from providers.contract.base import Access, Failure, ProviderError
from providers.contract.registry import ADAPTERS, get_adapter
from providers.keys import checking, using
from providers.models import Provider, ProviderKey, Voice
from tests import factories
from tests.cases import cases
from tests.providers.vendors.server import Reply
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/provider-keys"


def put(client, slug: str, body: object):
    return client.put(
        f"{URL}/{slug}", json.dumps(body), content_type="application/json"
    )


def opened(row: ProviderKey) -> str:
    return access(row.workspace, row.provider_id).key


def access(workspace, slug: str) -> Access:
    credential = using.credential_of(workspace.pk)
    return using.access_for_credential(Provider.objects.get(slug=slug), credential)


def test_a_key_is_checked_encrypted_and_never_shown(vendor, api, alice):
    openai = vendor("openai")
    before = timezone.now()

    answer = put(api, "openai", {"key": openai.key})

    assert answer.status_code == 200
    told = answer.json()
    assert told == {
        "provider": "openai",
        "last4": "test",
        "region": "",
        "status": "valid",
        "checked_at": told["checked_at"],
        "failure": None,
    }
    assert [(asked.method, asked.path) for asked in openai.asked] == [
        ("GET", "/v1/models")
    ]
    row = ProviderKey.objects.get()
    assert (row.workspace, row.created_by) == (factories.workspace(alice), alice)
    assert before <= row.checked_at <= timezone.now()
    assert openai.key.encode() not in bytes(row.encrypted_key)
    assert opened(row) == openai.key
    assert api.get(URL).json() == [told]
    assert openai.key not in f"{row!r} {row}"


def test_new_key_replaces_the_old_one(vendor, api):
    openai = vendor("openai")
    put(api, "openai", {"key": openai.key})
    first = ProviderKey.objects.get()
    ProviderKey.objects.update(failure="bad_key", failed_at=timezone.now())
    openai.key = "another-long-k3y"

    assert put(api, "openai", {"key": "another-long-k3y"}).json()["last4"] == "-k3y"

    row = ProviderKey.objects.get()
    assert (row.pk, row.failure, row.failed_at) == (first.pk, "", None)
    assert opened(row) == "another-long-k3y"


def test_rejected_key_changes_nothing(vendor, api):
    openai = vendor("openai")
    put(api, "openai", {"key": openai.key})
    before = ProviderKey.objects.values().get()

    answer = put(api, "openai", {"key": "wr0ng-k3y-of-a-thief"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_provider_key")
    assert b"wr0ng" not in answer.content
    assert ProviderKey.objects.values().get() == before
    put(api, "deepgram", {"key": "wr0ng-k3y-of-a-thief"})
    assert ProviderKey.objects.count() == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_provider_that_is_down_changes_nothing(vendor, api, monkeypatch, status):
    openai = vendor("openai")
    put(api, "openai", {"key": openai.key})
    before = ProviderKey.objects.values().get()
    monkeypatch.setattr(openai, "answer", lambda asked: Reply(status, body=b"{}"))

    answer = put(api, "openai", {"key": "new-k3y-of-a-test"})

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert ProviderKey.objects.values().get() == before


def test_key_that_cannot_be_checked_is_unknown(vendor, api, monkeypatch):
    openai = vendor("openai")
    monkeypatch.setattr(openai, "answer", lambda asked: Reply(403, body=b"{}"))
    assert put(api, "openai", {"key": openai.key}).json()["status"] == "unknown"
    monkeypatch.setattr(openai, "answer", lambda asked: Reply(402, body=b"{}"))
    assert put(api, "openai", {"key": openai.key}).json()["status"] == "unknown"


NO_KEYS: list[tuple[dict[str, object], str]] = [
    ({"key": "k3y-of-a-test\n"}, "key"),
    ({"key": "k3y-of-\r\nX-Evil: 1"}, "key"),
    ({"key": "k3y of a test"}, "key"),
    ({"key": "k3y-of-a-tést"}, "key"),
    ({"key": "k3y-of-a-\u0007test"}, "key"),
    ({"key": "k3y-of-a-\u202etest"}, "key"),
    ({"key": "k" * 10_000}, "key"),
    ({"key": "short"}, "key"),
    ({"key": ""}, "key"),
    ({"key": 12345678}, "key"),
    ({"key": None}, "key"),
    ({"key": ["k3y-of-a-test"]}, "key"),
    ({}, "key"),
    ({"key": "k3y-of-a-test", "region": "nowhere"}, "region"),
    ({"key": "k3y-of-a-test", "region": "eastus.evil.test/#"}, "region"),
    ({"key": "k3y-of-a-test", "region": "@evil.test"}, "region"),
    ({"key": "k3y-of-a-test", "region": 7}, "region"),
    ({"key": "k3y-of-a-test", "region": None}, "region"),
]


def test_malformed_key_is_rejected_without_a_call(vendor, api):
    openai = vendor("openai")
    for (body, field), case in cases(NO_KEYS):
        with case:
            answer = put(api, "openai", body)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
            assert list(answer.json()["fields"]) == [field]
            assert b"k3y" not in answer.content
            assert openai.asked == []
            assert ProviderKey.objects.count() == QuotaCounter.objects.count() == 0


@pytest.mark.parametrize("body", [b"\xff", b"[]", b'"k3y"', b'{"key": "k3y\\u0000"}'])
def test_invalid_body_is_rejected(api, body):
    answer = api.put(f"{URL}/openai", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("malformed_json", "invalid")
    assert ProviderKey.objects.count() == 0


@pytest.mark.parametrize(
    ("slug", "region"), [("azure", ""), ("polly", ""), ("polly", "eastus")]
)
def test_region_must_be_one_of_the_providers(vendor, api, slug, region):
    found = vendor(slug)
    answer = put(api, slug, {"key": found.key, "region": region})
    assert answer.json()["code"] == "invalid"
    assert "eu-west-1" in str(answer.json()) or "westeurope" in str(answer.json())
    assert found.asked == []


@pytest.mark.parametrize(
    "slug", [slug for slug in ADAPTERS if get_adapter(slug).own_key]
)
def test_each_vendor_accepts_own_keys(vendor, api, slug):
    found = vendor(slug)
    answer = put(api, slug, {"key": found.key, "region": found.region})
    assert (answer.status_code, answer.json()["status"]) == (200, "valid")
    assert found.spoken == []
    assert len(found.asked) == 1
    row = ProviderKey.objects.get()
    assert access(row.workspace, slug) == found.access


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("unicorn", "own_key_not_taken"),
        ("compatible", "own_key_not_taken"),
        ("nobody", "unknown_provider"),
    ],
)
def test_some_providers_accept_no_own_keys(api, slug, code):
    answer = put(api, slug, {"key": "k3y-of-a-test"})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_disabled_provider_accepts_no_keys(vendor, api):
    openai = vendor("openai")
    Provider.objects.filter(slug="openai").update(is_enabled=False)
    assert put(api, "openai", {"key": openai.key}).json()["code"] == "unknown_provider"
    assert openai.asked == []


def test_key_is_deleted(vendor, api, alice):
    openai = vendor("openai")
    put(api, "openai", {"key": openai.key})
    answer = api.delete(f"{URL}/openai")
    assert (answer.status_code, answer.content) == (204, b"")
    assert ProviderKey.objects.count() == 0
    assert api.get(URL).json() == []
    assert api.delete(f"{URL}/openai").status_code == 404
    with pytest.raises(ProviderError) as caught:
        access(factories.workspace(alice), "openai")
    assert caught.value.kind == Failure.OWN_KEY_MISSING


def test_a_stranger_reaches_no_key(vendor, api, alice):
    openai = vendor("openai")
    put(api, "openai", {"key": openai.key})
    before = ProviderKey.objects.values().get()
    stranger = factories.api(factories.token())
    assert stranger.get(URL).json() == []
    foreign = stranger.delete(f"{URL}/openai")
    missing = stranger.delete(f"{URL}/deepgram")
    assert (foreign.status_code, foreign.json()) == (404, missing.json())
    assert ProviderKey.objects.values().get() == before
    listed = stranger.get("/api/v1/providers").json()
    assert [row["slug"] for row in listed if row["available"]] == ["unicorn"]


def test_guests_and_the_operators_key_have_none(vendor, settings):
    settings.ADMIN_ACCESS_KEY = "x" * 40
    for client, status in ((factories.api(), 401), (factories.api("x" * 40), 403)):
        assert client.get(URL).status_code == status
        assert put(client, "openai", {"key": "k3y-of-a-test"}).status_code == status
        assert client.delete(f"{URL}/openai").status_code == status


def test_members_read_and_admins_change_keys(vendor, alice):
    openai = vendor("openai")
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    client = factories.api(factories.token(bob, workspace=team))
    answer = put(client, "openai", {"key": openai.key})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert openai.asked == []
    factories.provider_key(team, "openai")
    assert [row["provider"] for row in client.get(URL).json()] == ["openai"]
    assert client.delete(f"{URL}/openai").status_code == 403
    Membership.objects.filter(user=bob, workspace=team).update(role="admin")
    assert put(client, "openai", {"key": openai.key}).status_code == 200
    assert client.delete(f"{URL}/openai").status_code == 204


def test_encrypted_key_can_be_decrypted_only_in_its_row(alice):
    mine, theirs = factories.workspace(alice), factories.workspace(factories.user())
    row = factories.provider_key(mine, "openai", "k3y-of-alice")
    other = factories.provider_key(theirs, "openai", "k3y-of-a-thief")
    other.encrypted_key = row.encrypted_key
    other.save()
    with pytest.raises(ProviderError) as caught:
        access(theirs, "openai")
    assert caught.value.kind == Failure.OWN_KEY_REFUSED
    ProviderKey.objects.filter(pk=row.pk).update(provider="lemonfox")
    with pytest.raises(ProviderError):
        access(mine, "lemonfox")
    with pytest.raises(CannotDecrypt):
        decrypt(row.encrypted_key, context="providers_providerkey")


def test_one_key_for_each_workspace_and_provider(alice):
    mine = factories.workspace(alice)
    factories.provider_key(mine, "openai")
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.provider_key(mine, "openai")
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.provider_key(mine, "azure", region="evil.test/#")
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.provider_key(mine, "azure", failure="bad_key")


def test_concurrent_saves_leave_one_complete_key(vendor, alice, monkeypatch):
    openai = vendor("openai")
    monkeypatch.setattr(openai, "has_key", lambda asked: True)
    token = factories.token(alice)
    names = iter(["first-k3y-1111", "other-k3y-2222"])
    lock = threading.Lock()

    def save():
        with lock:
            key = next(names)
        return put(factories.api(token), "openai", {"key": key}).json()["last4"]

    assert sorted(in_threads(2, save)) == ["1111", "2222"]
    row = ProviderKey.objects.get()
    assert opened(row)[-4:] == row.last4


def test_key_checks_are_rate_limited(vendor, api, settings):
    settings.PROVIDER_KEY_CHECKS = 2
    openai = vendor("openai")
    for _ in range(2):
        assert put(api, "openai", {"key": "st0len-k3y-x"}).status_code == 400
    answer = put(api, "openai", {"key": openai.key})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 0 < int(answer["Retry-After"]) <= 86_400
    assert len(openai.asked) == 2
    # More workspaces give only three times as many: the network is counted too.
    codes = []
    for _ in range(3):
        other = factories.api(factories.token())
        for _ in range(2):
            codes.append(put(other, "openai", {"key": "st0len-k3y-x"}).status_code)
    assert codes == [400, 400, 400, 400, 429, 429]
    assert len(openai.asked) == 6


def test_no_transaction_is_open_during_a_check(vendor, api, monkeypatch):
    seen = []
    adapter = get_adapter("openai")
    check = adapter.check

    def watching(access):
        seen.append((connection.in_atomic_block, connection.connection))
        return check(access)

    monkeypatch.setattr(adapter, "check", watching)
    put(api, "openai", {"key": vendor("openai").key})
    assert seen == [(False, None)]


def test_available_providers_depend_on_the_caller(vendor, api, alice):
    def available(client):
        listed = client.get("/api/v1/providers").json()
        return {row["slug"] for row in listed if row["available"]}

    assert available(api) == {"unicorn"}
    factories.provider_key(factories.workspace(alice), "openai")
    assert available(api) == {"unicorn", "openai"}
    assert available(factories.api()) == {"unicorn"}
    assert available(factories.api(factories.token())) == {"unicorn"}


def test_voices_are_added_after_a_lost_bell(vendor, api, bells):
    put(api, "elevenlabs", {"key": vendor("elevenlabs").key})
    ProviderKey.objects.update(due_at=timezone.now())
    bells.clear()
    checking.sweep()
    ((_, (key_id,)),) = bells
    tasks.check_key(key_id)
    assert Voice.objects.get(provider="elevenlabs").name == "Rachel"


def test_only_public_voices_are_added(vendor, api, bells, monkeypatch):
    eleven = vendor("elevenlabs")
    assert not Voice.objects.filter(provider="elevenlabs").exists()
    put(api, "elevenlabs", {"key": eleven.key})
    row = ProviderKey.objects.get()
    assert bells == [("providers.tasks.learn_voices", [str(row.pk)])]
    assert row.due_at
    tasks.learn_voices(str(row.pk))
    assert ProviderKey.objects.get().due_at is None
    names = Voice.objects.filter(provider="elevenlabs").values_list("name", flat=True)
    assert list(names) == ["Rachel"]  # Domi is a cloned voice of the key's account
    monkeypatch.setenv("ELEVENLABS_API_KEY", "0urs")
    asked = len(eleven.asked)
    tasks.learn_voices(str(row.pk))
    assert len(eleven.asked) == asked  # can be listed without the own key
