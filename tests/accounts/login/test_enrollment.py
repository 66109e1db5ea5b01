"""Setting up an operator's first authenticator app takes more than a mailbox."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.login import second_factor
from accounts.models import AuditEntry
from accounts.models.second_factor import Authenticator
from tests import factories
from tests.accounts.codes import newest_code
from tests.accounts.login.test_second_factor import app_code, is_inside, logged_in

pytestmark = pytest.mark.django_db

SET_UP = "/settings/second-factor"


def by_mail(user, wanted=SET_UP):
    """Return a client that has logged in by a code from the mailbox."""
    client = Client()
    client.post("/login", {"email": user.email, "next": wanted})
    client.post("/login/code", {"code": newest_code(user.email)})
    assert client.get("/").context["user"] == user
    return client


@pytest.fixture
def root(db):
    return factories.user("root@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def deployed(settings):
    """What differs from development: a login is not enough to set up the first app."""
    settings.DEVELOPMENT = False


def confirm(client, url=SET_UP):
    """Open the page and enter the code of its key; return both statuses."""
    page = client.get(url)
    if page.status_code != 200:
        return page.status_code, client.post(url, {"code": "123456"}).status_code
    secret = page.context["secret"]
    return 200, client.post(url, {"code": app_code(secret)}).status_code


def test_a_mailbox_alone_sets_up_no_app(root, deployed):
    client = by_mail(root)

    assert confirm(client) == (403, 403)
    assert not is_inside(client)
    assert not second_factor.is_set_up(root)
    assert AuditEntry.objects.filter(action="second factor not set up: no link")


def test_a_login_from_the_command_line_sets_up_the_first_app(root, deployed):
    client = logged_in(root)

    assert confirm(client) == (200, 200)
    assert is_inside(client)


def test_a_superuser_makes_a_link_for_the_first_app(root, deployed):
    """It works once, for a day, for the operator that it was made for."""
    other = factories.user("other@example.com", is_staff=True)
    third = factories.user("third@example.com", is_staff=True)
    answer = factories.browser(root).post(
        "/admin/accounts/user/",
        {"action": "enroll", "_selected_action": [other.pk, root.pk], "reason": "New"},
        follow=True,
    )
    told = [str(message) for message in answer.context["messages"]]
    (link,) = re.findall(r"http://127.0.0.1:8000(/\S+)", " ".join(told))
    assert any("root@example.com has a second factor" in text for text in told)
    entry = AuditEntry.objects.get(action="Made an enrollment link.")
    assert (entry.object_id, entry.reason) == (str(other.pk), "New")
    assert link not in f"{entry.before} {entry.after}"

    assert confirm(by_mail(third), link) == (403, 403)
    assert confirm(by_mail(other)) == (403, 403)
    client = by_mail(other)
    assert confirm(client, link) == (200, 200)
    assert is_inside(client)

    second_factor.remove(other)
    assert confirm(by_mail(other), link) == (403, 403)


def test_a_link_for_the_first_app_expires(root, deployed, monkeypatch):
    link = second_factor.enrollment_link(root)
    client = by_mail(root)
    with monkeypatch.context() as patched:
        patched.setattr(second_factor, "_ENROLLED_WITHIN", timedelta(seconds=-1))
        assert confirm(client, link) == (403, 403)
    assert confirm(client, link + "x") == (403, 403)
    assert confirm(client, link) == (200, 200)


def test_only_superusers_make_links_for_the_first_app(root, deployed):
    manager = factories.user("manager@example.com", is_staff=True)
    manager.user_permissions.set(Permission.objects.filter(codename__endswith="_user"))
    before = Authenticator.objects.filter(confirmed=False).count()
    factories.browser(manager).post(
        "/admin/accounts/user/",
        {"action": "enroll", "_selected_action": [manager.pk, root.pk], "reason": "x"},
    )
    assert Authenticator.objects.filter(confirmed=False).count() == before
