import datetime
import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.urls import reverse
from django.utils import formats, timezone

from accounts import tokens
from accounts.login import second_factor
from accounts.models import (
    ApiToken,
    AuditEntry,
    LoginSession,
    Membership,
    User,
    Workspace,
)
from accounts.models.second_factor import Authenticator
from accounts.people import blocking
from kit.mail import outbox
from kit.models import Mail
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


def change(row):
    name = f"admin:accounts_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def run(office, model, action, *rows):
    url = reverse(f"admin:accounts_{model}_changelist")
    data = {
        "action": action,
        "_selected_action": [str(row.pk) for row in rows],
        "reason": "a test",
    }
    return office.post(url, data)


# --- Who may enter -------------------------------------------------------------------


@pytest.mark.parametrize("who", ["guest", "user", "blocked", "inactive"])
def test_the_back_office_is_for_operators(alice, root, who):
    if who == "guest":
        client = factories.api()
    elif who == "user":
        client = factories.browser(alice)
    else:
        client = factories.browser(root)
        if who == "blocked":
            blocking.block(root)
        else:
            root.is_active = False
            root.save()

    for path in ("/admin/", "/admin/accounts/user/", change(alice)):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
    page = client.get("/admin/login/")
    assert page.status_code == 200
    assert "manage.py login_link" in page.content.decode()
    assert "password</" not in page.content.decode()
    assert client.post(
        "/admin/login/", {"username": "x", "password": "y"}
    ).status_code in (
        200,
        403,  # without its CSRF token
    )


def test_operators_need_no_login_page(office):
    answer = office.get("/admin/login/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_the_theme_may_do_what_it_needs_and_no_more(office):
    policy = office.get("/admin/")["Content-Security-Policy"]

    assert "script-src 'self' 'unsafe-eval';" in policy + ";"
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src" not in office.get("/")["Content-Security-Policy"]


@pytest.mark.parametrize(
    "model",
    [
        *("user", "workspace", "apitoken", "maildomain", "loginsession"),
        *("invitation", "authenticator", "welcomedperson"),
    ],
)
def test_lists_and_searches_open(office, alice, model):
    factories.token(alice)
    url = reverse(f"admin:accounts_{model}_changelist")

    assert office.get("/admin/").status_code == 200
    assert office.get(url).status_code == 200
    for query in ("alice", str(alice.pk), "%00"):
        assert office.get(url, {"q": query}).status_code == 200


# --- People --------------------------------------------------------------------------


def test_somebody_new_is_signed_up(office, root):
    url = reverse("admin:accounts_user_add")

    answer = office.post(url, {"email": "Alice@Example.com"})

    assert answer.status_code == 302
    alice = User.objects.get(email="alice@example.com")
    assert factories.workspace(alice).name == "alice"
    for wrong in ("alice@example.com", "nonsense", "älice@example.com"):
        assert office.post(url, {"email": wrong}).status_code == 200
    assert User.objects.count() == 2


def test_a_person_is_shown_and_never_deleted(office, alice):
    page = office.get(change(alice))

    assert page.status_code == 200
    assert "alice@example.com" in page.content.decode()
    assert office.post(change(alice) + "delete/").status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()


def test_blocking_and_unblocking(office, alice):
    workspace = factories.workspace(alice)

    run(office, "user", "block", alice)
    run(office, "workspace", "block", workspace)
    assert User.objects.get(pk=alice.pk).is_blocked
    assert Workspace.objects.get(pk=workspace.pk).is_blocked

    run(office, "user", "unblock", alice)
    run(office, "workspace", "unblock", workspace)
    assert not User.objects.get(pk=alice.pk).is_blocked
    assert not Workspace.objects.get(pk=workspace.pk).is_blocked


def test_operators_can_not_grant_themselves_permissions(alice):
    alice.is_staff = True
    alice.save()
    alice.user_permissions.set(
        Permission.objects.filter(codename__in=["view_user", "change_user"])
    )
    office = factories.browser(alice)

    answer = office.post(
        change(alice), {"is_superuser": "on", "is_staff": "on", "is_active": "on"}
    )

    assert answer.status_code in (200, 302)
    assert not User.objects.get(pk=alice.pk).is_superuser
    assert run(office, "apitoken", "revoke").status_code == 403


def test_users_are_blocked_only_by_the_action(office, alice):
    no_places = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}

    answer = office.post(change(alice), {"is_staff": "on"} | no_places)

    assert answer.status_code == 302
    alice.refresh_from_db()
    assert (alice.is_staff, alice.is_active) == (True, True)


def test_only_superusers_can_block_superusers(office, root, alice):
    helper = factories.user("helper@example.com", is_staff=True)
    helper.user_permissions.set(
        Permission.objects.filter(codename__in=["view_user", "change_user"])
    )
    desk = factories.browser(helper)

    for action in ("block", "close"):
        run(desk, "user", action, root, alice)
    for person, is_blocked in ((root, False), (alice, True)):
        person.refresh_from_db()
        assert (person.is_blocked, bool(person.closed_at)) == (is_blocked, is_blocked)

    other = factories.user("other@example.com", is_staff=True, is_superuser=True)
    run(office, "user", "block", other)
    other.refresh_from_db()
    assert other.is_blocked


# --- Tokens --------------------------------------------------------------------------


def test_tokens_are_shown_without_their_secret_and_revoked(office, alice):
    text = factories.token(alice)
    token = tokens.find(text)

    page = office.get(change(token)).content.decode()

    assert f"{text[:8]}…{text[-4:]}" in page
    assert text not in page
    assert token.digest not in page
    assert office.post(change(token), {"name": "x"}).status_code == 403
    assert office.get(reverse("admin:accounts_apitoken_add")).status_code == 403
    run(office, "apitoken", "revoke", token)
    assert ApiToken.objects.get().revoked_at is not None


def test_members_are_shown_with_their_workspace(office, alice):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)

    page = office.get(change(team)).content.decode()

    assert "alice@example.com" in page
    assert "bob@example.com" in page
    assert Membership.objects.filter(workspace=team).count() == 2


# --- Logins and second factors -------------------------------------------------------


def test_a_login_is_shown_without_its_key_and_ended(office, alice):
    client = factories.browser(alice)
    row = LoginSession.objects.get(user=alice)

    page = office.get(change(row)).content.decode()

    assert row.session_key
    assert row.session_key not in page
    assert client.get("/api/v1/me").json()["role"] == "user"
    run(office, "loginsession", "end", row)
    assert client.get("/api/v1/me").json()["role"] == "guest"


def test_a_second_factor_is_removed_by_another_operator(office, root):
    other = factories.user("other@example.com", is_staff=True)
    theirs = factories.browser(other)
    assert theirs.get("/admin/").status_code == 200
    lost, own = (
        Authenticator.objects.get(user=other),
        Authenticator.objects.get(user=root),
    )

    run(office, "authenticator", "remove", lost, own)

    assert list(Authenticator.objects.all()) == [own]
    assert theirs.get("/admin/").status_code == 302
    assert Mail.objects.get(subject__contains="removed").to == "other@example.com"
    page = office.get(change(own)).content.decode()
    assert "seed" not in page


def test_wrong_codes_of_an_app_are_shown(office, root):
    failed_at = timezone.now() - datetime.timedelta(minutes=5)
    Authenticator.objects.update(
        throttling_failure_count=71, throttling_failure_timestamp=failed_at
    )

    page = office.get(reverse("admin:accounts_authenticator_changelist"))

    text = " ".join(page.content.decode().split())
    until = timezone.localtime(failed_at + datetime.timedelta(minutes=15))
    assert "71" in re.findall(r"field-wrong_codes[^>]*>(.*?)</td>", text)[0]
    assert (
        formats.localize(until)
        in re.findall(r"field-locked_until[^>]*>(.*?)</td>", text)[0]
    )


def test_an_operator_with_two_apps_is_notified_once(office, root):
    other = factories.user("other@example.com", is_staff=True)
    second_factor.begin(other)
    second_factor.confirm_without_code(other)
    second_factor.begin(other)

    run(office, "authenticator", "remove", *Authenticator.objects.filter(user=other))

    assert not Authenticator.objects.filter(user=other).exists()
    assert Mail.objects.filter(subject__contains="removed").count() == 1
    assert AuditEntry.objects.filter(action="deleted").count() == 2


def test_a_superusers_second_factor_is_removed_by_superusers_alone(root):
    helper = factories.user("helper@example.com", is_staff=True)
    helper.user_permissions.set(
        Permission.objects.filter(codename__endswith="_authenticator")
    )
    factories.browser(root)

    run(
        factories.browser(helper),
        "authenticator",
        "remove",
        Authenticator.objects.get(user=root),
    )

    assert Authenticator.objects.filter(user=root).exists()


def test_mails_are_shown_without_their_text_and_can_be_retried_now(office):
    with transaction.atomic():
        mail = outbox.post("alice@example.com", "Hello", "The code is 123456.")
    later = timezone.now() + datetime.timedelta(hours=1)
    Mail.objects.update(ready_at=later, attempts=3)

    page = office.get(reverse("admin:kit_mail_change", args=[mail.pk])).content.decode()
    assert "alice@example.com" in page
    assert "123456" not in page
    assert bytes(mail.encrypted_text).hex() not in page
    office.post(
        reverse("admin:kit_mail_changelist"),
        {"action": "retry_now", "_selected_action": str(mail.pk), "reason": "repaired"},
    )
    mail.refresh_from_db()
    assert mail.ready_at <= timezone.now()
    assert AuditEntry.objects.get().action == "Tried again."


def test_only_superusers_change_groups_and_permissions(db) -> None:
    """Whoever could would give everything to themselves."""
    manager = factories.user("manager@example.com", is_staff=True)
    manager.user_permissions.set(
        Permission.objects.filter(content_type__app_label__in=["auth", "accounts"])
    )
    group = Group.objects.create(name="Support")
    manager.groups.add(group)
    browser = factories.browser(manager)
    every = list(Permission.objects.values_list("pk", flat=True))

    change = f"/admin/auth/group/{group.pk}/change/"
    assert browser.get(change).status_code == 200
    sent = {"name": "Support", "permissions": every}
    assert browser.post(change, sent).status_code == 403
    assert browser.post("/admin/auth/group/add/", sent).status_code == 403
    delete = f"/admin/auth/group/{group.pk}/delete/"
    assert browser.post(delete, {"post": "yes"}).status_code == 403
    person = f"/admin/accounts/user/{manager.pk}/change/"
    sent = {"is_superuser": "on", "user_permissions": every, "groups": [group.pk]}
    browser.post(person, sent)

    manager.refresh_from_db()
    assert not manager.is_superuser
    assert list(Group.objects.values_list("name", flat=True)) == ["Support"]
    assert group.permissions.count() == 0
    root = factories.browser(factories.user(is_staff=True, is_superuser=True))
    assert root.post(change, {"name": "Helpers"}).status_code == 302
