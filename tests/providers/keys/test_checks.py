"""Checks of saved keys, every night and on demand."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.lifecycle import Scope, Table
from accounts.models import User, Workspace
from kit.mail.outbox import _context as mail_context
from kit.models import Mail
from kit.secrets import Secret, decrypt
from providers import lifecycle, tasks
from providers.contract.base import Failure, ProviderError
from providers.keys import checking, using
from providers.models import ProviderKey
from tests import factories
from tests.providers.vendors.server import Reply

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/provider-keys"


@pytest.fixture
def kept(vendor, alice):
    openai = vendor("openai")
    row = factories.provider_key(
        factories.workspace(alice),
        "openai",
        openai.key,
        checked_at=timezone.now() - timedelta(days=1),
    )
    return openai, row


def test_nightly_check_checks_each_key_once(kept):
    openai, row = kept
    ProviderKey.objects.update(status="unknown")
    tasks.check_keys()
    tasks.check_keys()
    assert len(openai.asked) == 1
    row.refresh_from_db()
    assert (row.status, row.failure) == ("valid", "")
    assert timezone.now() - row.checked_at < timedelta(minutes=1)


def test_owner_is_notified_once_of_a_rejected_key(kept, api):
    openai, row = kept
    openai.key = "s0mething-else"
    for _ in range(2):
        ProviderKey.objects.update(checked_at=timezone.now() - timedelta(days=1))
        tasks.check_keys()
    row.refresh_from_db()
    assert (row.status, row.failure) == ("unknown", "bad_key")
    assert row.failed_at < row.checked_at
    mail = Mail.objects.get(subject="OpenAI rejected your key")
    assert mail.to == "alice@example.com"
    text = decrypt(mail.encrypted_text, context=mail_context(mail)).reveal_text()
    assert "…test" in text
    assert f"{django_settings.BASE_URL}/settings/provider-keys" in text
    assert "k3y-of" not in text
    assert api.get(URL).json()[0]["failure"] == "bad_key"
    openai.key = "k3y-of-a-test"
    tasks.check_key(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.failure, row.failed_at) == ("valid", "", None)


def test_inactive_owner_is_not_notified(kept, alice):
    openai, row = kept
    User.objects.filter(pk=alice.pk).update(is_active=False)
    openai.key = "s0mething-else"
    tasks.check_keys()
    row.refresh_from_db()
    assert row.failure == "bad_key"
    assert not Mail.objects.exists()


def more_keys(row, count):
    """Add keys of other workspaces, checked after `row`."""
    return [
        factories.provider_key(
            factories.workspace(factories.user()),
            "openai",
            f"k3y-of-number-{number:02}",
            checked_at=row.checked_at + timedelta(minutes=number + 1),
        )
        for number in range(count)
    ]


def told():
    return list(ProviderKey.objects.order_by("pk").values("status", "checked_at"))


def test_a_provider_that_is_down_at_night_changes_nothing(kept, monkeypatch):
    openai, row = kept
    more_keys(row, 4)
    before = told()
    calls = []

    def answer(asked):
        calls.append(asked)
        return Reply(500, body=b"{}")

    monkeypatch.setattr(openai, "answer", answer)
    tasks.check_keys()
    assert len(calls) == 3  # the rest of the region is skipped
    assert told() == before
    assert not Mail.objects.filter(subject__contains="refuses").exists()


@pytest.mark.parametrize("status", [429, 503])
def test_rate_limited_account_does_not_delay_other_keys(kept, monkeypatch, status):
    openai, row = kept
    more_keys(row, 4)

    def answer(asked):
        is_first = asked.headers["Authorization"] == "Bearer k3y-of-a-test"
        return Reply(status if is_first else 200, body=b"{}")

    monkeypatch.setattr(openai, "answer", answer)
    assert checking.check_all() == 4
    assert checking.check_all() == 0
    due = ProviderKey.objects.filter(checked_at__lt=timezone.now() - timedelta(hours=1))
    assert due.get() == row


def test_keys_with_the_oldest_attempt_are_checked_first(kept, monkeypatch):
    openai, row = kept
    more_keys(row, 4)
    asked_with = []

    def answer(asked):
        asked_with.append(asked.headers["Authorization"].removeprefix("Bearer k3y-of-"))
        return Reply(500, body=b"{}")

    monkeypatch.setattr(openai, "answer", answer)
    tasks.check_keys()
    tasks.check_keys()
    assert asked_with == [
        *("a-test", "number-00", "number-01"),
        *("number-02", "number-03", "a-test"),
    ]


def test_lost_bell_is_rung_again(kept, bells, monkeypatch):
    openai, row = kept
    credential = using.credential_of(row.workspace_id)
    with (
        pytest.raises(ProviderError, match="own_key_refused"),
        using.reporting_bad_key("openai", credential),
    ):
        raise ProviderError(Failure.BAD_KEY)
    rung = (using.CHECK, [str(row.pk)])
    assert bells == [rung]
    checking.sweep()
    assert bells == [rung]  # the first bell may still arrive
    ProviderKey.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    checking.sweep()
    checking.sweep()
    assert bells == [rung, rung]
    openai.key = "s0mething-else"
    tasks.check_key(str(row.pk))
    row.refresh_from_db()
    assert (row.failure, row.due_at) == ("bad_key", None)


@pytest.mark.parametrize("is_shut", [True, False])
def test_due_time_is_cleared_if_a_key_cannot_be_checked(
    kept, bells, monkeypatch, is_shut
):
    openai, row = kept
    Workspace.objects.filter(pk=row.workspace_id).update(is_blocked=is_shut)
    ProviderKey.objects.update(due_at=timezone.now())
    monkeypatch.setattr(openai, "answer", lambda asked: Reply(500, body=b"{}"))
    tasks.check_key(str(row.pk))
    row.refresh_from_db()
    assert row.due_at is None


def test_key_replaced_during_its_check_is_not_changed(kept, monkeypatch):
    openai, row = kept
    new = using.encrypt_key(Secret("new-k3y-of-a-test"), row.workspace_id, "openai")

    def answer(asked):
        ProviderKey.objects.filter(pk=row.pk).update(encrypted_key=new)
        return openai.refuse(401, "bad_key")

    monkeypatch.setattr(openai, "answer", answer)
    tasks.check_key(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.failure, bytes(row.encrypted_key)) == ("valid", "", new)
    assert not Mail.objects.filter(subject__contains="refuses").exists()


def test_check_of_a_deleted_key_does_nothing(kept):
    openai, row = kept
    ProviderKey.objects.all().delete()
    tasks.check_key(str(row.pk))
    tasks.learn_voices(str(row.pk))
    assert openai.asked == []


def test_keys_are_exported_and_purged_with_their_workspace(alice):
    mine = factories.workspace(alice)
    factories.provider_key(mine, "openai")
    kept = factories.provider_key(factories.workspace(factories.user()), "openai")
    (table,) = lifecycle.export(Scope(mine))
    assert isinstance(table, Table)
    (told,) = table.rows
    assert table.name == "provider_keys.json"
    assert told.keys() == {"provider", "last4", "region", "status", "created_at"}
    assert list(lifecycle.export(Scope(mine, person=alice))) == []
    lifecycle.purge(mine)
    lifecycle.purge(mine)
    assert ProviderKey.objects.get() == kept


def test_keys_of_closed_workspaces_are_not_checked(kept):
    openai, row = kept
    for shut in ({"is_blocked": True}, {"closed_at": timezone.now()}):
        Workspace.objects.filter(pk=row.workspace_id).update(
            **({"is_blocked": False, "closed_at": None} | shut)
        )
        tasks.check_keys()
        tasks.check_key(str(row.pk))
    assert openai.asked == []
