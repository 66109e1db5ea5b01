import datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.audit import log
from accounts.models import AuditEntry, User
from providers.models import Provider
from tests import factories


@pytest.fixture
def root(db):
    return factories.user("root@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def office(root):
    return factories.browser(root)


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


def test_an_action_is_recorded_with_who_what_where_and_why(office, root, alice):
    url = reverse("admin:accounts_user_changelist")
    data = {"action": "block", "_selected_action": [str(alice.pk)], "reason": "spam"}

    answer = office.post(url, data, REMOTE_ADDR="192.0.2.5")

    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.actor_email) == (root.pk, "root@example.com")
    assert (entry.ip, entry.request_id) == ("192.0.2.5", answer["X-Request-Id"])
    assert (entry.action, entry.reason) == ("Blocked.", "spam")
    assert (entry.model, entry.object_id) == ("accounts.User", str(alice.pk))
    assert (entry.before, entry.after) == ({"is_blocked": False}, {"is_blocked": True})


def test_additions_and_changes_are_recorded(office, alice):
    office.post(reverse("admin:accounts_user_add"), {"email": "new@example.com"})
    workspace = factories.workspace(alice)
    office.post(
        reverse("admin:accounts_workspace_change", args=[workspace.pk]),
        {
            "name": "Renamed",
            "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0,
        },
    )

    changed, added = AuditEntry.objects.order_by("-pk")
    assert (added.action, added.object_name) == ("added", "new@example.com")
    assert added.after is not None
    assert added.after["password"] == "•••"
    assert added.object_id == str(User.objects.get(email="new@example.com").pk)
    assert (changed.action, changed.model) == ("changed", "accounts.Workspace")
    assert changed.before == {"name": "alice"}
    assert changed.after == {"name": "Renamed"}


def test_the_catalogue_is_audited_too(office):
    provider = Provider.objects.first()
    if provider is None:
        provider = Provider.objects.create(slug="unicorn")
    row = log.snapshot(provider)
    assert row["slug"] == provider.slug


def test_the_audit_log_is_append_only(db):
    entry = log.record("tried")
    assert (entry.actor_email, entry.ip) == ("", None)
    for change in (
        lambda: AuditEntry.objects.update(action="other"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: connection.cursor().execute("TRUNCATE accounts_auditentry"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    log.prune()
    assert AuditEntry.objects.get().action == "tried"


def test_audit_entries_are_deleted_after_two_years(db):
    entry = AuditEntry(action="old")
    entry.created_at = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    entry.save()
    log.prune()
    assert AuditEntry.objects.count() == 0


def test_the_log_is_shown_and_not_edited(office):
    entry = log.record("tried", User.objects.first())
    page = office.get(reverse("admin:accounts_auditentry_changelist"))
    assert "tried" in page.content.decode()
    one = reverse("admin:accounts_auditentry_change", args=[entry.pk])
    assert office.get(one).status_code == 200
    assert office.post(one, {"action": "x"}).status_code == 403
    assert office.post(one + "delete/").status_code == 403


def test_secrets_are_masked(alice):
    token = factories.token(alice)
    from accounts import tokens

    row = log.snapshot(tokens.find(token))
    assert row["digest"] == "•••"
    assert row["last4"] == token[-4:]


def test_the_history_of_a_row_is_its_audit_log(office, alice):
    bob = factories.user("bob@example.com")
    for person in (alice, bob):
        log.record(f"tried {person.email}", person)

    page = office.get(
        reverse("admin:accounts_user_history", args=[alice.pk]), follow=True
    )

    shown = page.content.decode()
    assert page.status_code == 200
    assert "tried alice@example.com" in shown
    assert "tried bob@example.com" not in shown
    assert not LogEntry.objects.exists()
