"""Every admin action needs a permission, and is logged with its reason."""

import json
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.audit.mixin import Audited
from accounts.models import AuditEntry, User
from accounts.models.second_factor import Authenticator
from billing.models import InboxEvent, Reconciliation
from kit.mail import outbox
from kit.models import Mail
from providers.models import Provider, ProviderKey, Upstream
from tests import factories
from tests.tenancy.asking import changed_since, snapshot
from tests.tenancy.world import World

ACTIONS = [
    (model, name)
    for model, page in admin.site._registry.items()
    for name in page.actions or []
]
"""Actions by model."""


def by_name(value: Any) -> str:
    return value if isinstance(value, str) else value._meta.label


def row_of(model: Any, world: World) -> Any:
    """Return a row that the action can be applied to."""
    if model is ProviderKey:
        return factories.provider_key(world.alice.team, "unicorn")
    if model is Upstream:
        provider = Provider.objects.get(slug="unicorn")
        return Upstream.objects.create(provider=provider, credential="platform")
    if model is PeriodicTask:
        every = IntervalSchedule.objects.create(every=1, period="days")
        return PeriodicTask.objects.create(
            name="a test", task="kit.tasks.prune_mails", interval=every
        )
    if model is Authenticator:
        return Authenticator.objects.create(user=world.bob, encrypted_seed=b"")
    if model is Mail:
        return outbox.post("alice@example.com", "Hello", "Text")
    if model is User:
        return world.bob
    if model is Reconciliation:
        now = timezone.now()
        return Reconciliation.objects.create(
            gateway="stripe", environment="PRODUCTION", since=now, until=now
        )
    if model is InboxEvent:
        return InboxEvent.objects.create(
            gateway="demo", environment="PRODUCTION", event_id="1", status="failed"
        )
    row = model._default_manager.order_by("pk").first()
    assert row is not None
    return row


def run(office: Client, row: Model, action: str) -> Any:
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
    chosen = {"action": action, "_selected_action": [str(row.pk)], "reason": "a test"}
    return office.post(url, chosen)


def test_every_class_is_audited() -> None:
    assert len(ACTIONS) > 25
    assert all(isinstance(page, Audited) for page in admin.site._registry.values())


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=by_name)
def test_an_action_is_recorded_with_its_reason(
    world: World, model: type[Model], action: str
) -> None:
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    row = row_of(model, world)
    pk = str(row.pk)

    assert run(factories.browser(root), row, action).status_code == 302

    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.reason) == (root.pk, "a test")
    assert (entry.model, entry.object_id) == (model._meta.label, pk)


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=by_name)
def test_view_permission_does_not_allow_actions(
    world: World, model: type[Model], action: str
) -> None:
    looker = factories.user("looker@example.com", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    row = row_of(model, world)
    office = factories.browser(looker)
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
    before = snapshot()

    page = office.get(url)
    assert page.status_code == 200
    assert f'<option value="{action}"'.encode() not in page.content
    run(office, row, action)

    assert changed_since(before) == set()


def test_rows_that_an_action_skips_are_recorded(world: World) -> None:
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    task = row_of(PeriodicTask, world)

    run(factories.browser(root), task, "disable_tasks")

    entry = AuditEntry.objects.get()
    assert entry.action == "Asked: Disable selected tasks"
    assert (entry.before, entry.after) == ({"enabled": True}, {"enabled": False})


def test_rows_selected_across_pages_are_recorded(world: World) -> None:
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    row_of(PeriodicTask, world)
    url = reverse("admin:django_celery_beat_periodictask_changelist")
    every = {"action": "disable_tasks", "select_across": "1", "reason": "a test"}

    factories.browser(root).post(url, every | {"_selected_action": ["0"]})

    count = PeriodicTask.objects.count()
    assert AuditEntry.objects.filter(reason="a test").count() == count
    assert not PeriodicTask.objects.filter(enabled=True).exists()


def test_more_rows_than_can_be_recorded_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.audit.mixin._MOST", 1)
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    people = [world.bob, world.alice.owner]
    office = factories.browser(root)

    answer = office.post(
        reverse("admin:accounts_user_changelist"),
        {
            "action": "block",
            "_selected_action": [str(person.pk) for person in people],
            "reason": "a test",
        },
        follow=True,
    )

    assert "Choose at most 1 rows." in answer.content.decode()
    assert not User.objects.filter(is_blocked=True, pk__in=[p.pk for p in people])
    assert not AuditEntry.objects.exists()


def test_changes_of_groups_and_permissions_are_recorded(world: World) -> None:
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    right = Permission.objects.get(codename="view_user")

    factories.browser(root).post(
        reverse("admin:auth_group_add"),
        {"name": "Support", "permissions": [right.pk], "reason": "new people"},
    )

    entry = AuditEntry.objects.get()
    assert entry.after is not None
    assert entry.after["permissions"] == [right.pk]
    assert json.loads(json.dumps(entry.after)) == entry.after
