import datetime
import time

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import sessions
from accounts.http import freshness
from accounts.login import links
from accounts.models import LoginSession
from kit.mail import outbox
from tests import factories
from tests.accounts.codes import newest_code

LOGINS = "/api/v1/me/logins"
ME = "/api/v1/me"
JSON = "application/json"


@pytest.fixture
def alice(transactional_db):
    return factories.user("alice@example.com")


def rows(client):
    return client.get(LOGINS).json()["results"]


def log_in(client, email="alice@example.com", agent="Browser/1"):
    headers = {"User-Agent": agent}
    client.post("/api/v1/auth/code", {"email": email}, JSON)
    body = {"email": email, "code": newest_code(email)}
    answer = client.post("/api/v1/auth/session", body, JSON, headers=headers)
    assert answer.status_code == 200


def test_a_login_leaves_a_row(alice):
    client = Client(REMOTE_ADDR="192.0.2.7")
    log_in(client)

    (row,) = rows(client)

    login = LoginSession.objects.get()
    assert row == {
        "id": str(login.pk),
        "ip": "192.0.2.7",
        "user_agent": "Browser/1",
        "method": "code",
        "started_at": row["started_at"],
        "last_seen_at": row["last_seen_at"],
        "ended_at": None,
        "current": True,
    }
    by_token = rows(factories.api(factories.token(alice)))
    assert by_token == [row | {"current": False}]
    assert client.cookies["sessionid"].value not in str(by_token)


def test_a_link_is_a_login_too(alice):
    client = Client()
    client.post(f"/login/link/{links.make(alice)}/")
    assert [row["method"] for row in rows(client)] == ["link"]


def test_the_key_changes_at_each_login(alice):
    client = Client()
    log_in(client)
    first = client.cookies["sessionid"].value
    log_in(client)

    assert client.cookies["sessionid"].value != first
    newest, oldest = rows(client)
    assert (newest["ended_at"], newest["current"]) == (None, True)
    assert oldest["ended_at"] is not None
    thief = Client()
    thief.cookies["sessionid"] = first
    assert thief.get(ME).json()["role"] == "guest"


def test_another_person_in_the_same_browser_ends_the_login_before(alice):
    client = Client()
    log_in(client)
    log_in(client, "bob@example.com")

    assert [row["current"] for row in rows(client)] == [True]
    assert LoginSession.objects.for_user(alice).get().ended_at is not None


def test_ending_a_login_logs_that_browser_out(alice):
    phone, laptop = factories.browser(alice), factories.browser(alice)
    other = next(row for row in rows(laptop) if not row["current"])

    assert laptop.delete(f"{LOGINS}/{other['id']}").status_code == 204

    assert phone.get(ME).json()["role"] == "guest"
    assert laptop.get(ME).json()["role"] == "user"
    ended = next(row for row in rows(laptop) if row["id"] == other["id"])
    assert ended["ended_at"] is not None
    assert laptop.delete(f"{LOGINS}/{other['id']}").status_code == 204


def test_ending_the_own_login(alice):
    client = factories.browser(alice)
    (own,) = rows(client)
    assert client.delete(f"{LOGINS}/{own['id']}").status_code == 204
    assert client.get(ME).json()["role"] == "guest"
    assert LoginSession.objects.get().ended_at is not None


def test_logins_of_others_are_not_found(alice):
    bob = factories.user()
    factories.browser(bob)
    his = LoginSession.objects.for_user(bob).get()

    for client in (factories.browser(alice), factories.api(factories.token(alice))):
        assert client.delete(f"{LOGINS}/{his.pk}").status_code == 404
    his.refresh_from_db()
    assert his.ended_at is None
    assert factories.api().get(LOGINS).status_code == 401


def test_users_are_notified_of_a_new_device(alice):
    phone = Client()
    log_in(phone, agent="Phone & Co")
    outbox.work()
    assert [sent.subject for sent in mail.outbox] == ["Your code for Ozvena"]

    phone.delete("/api/v1/auth/session")
    log_in(phone)
    outbox.work()
    assert len(mail.outbox) == 2  # two codes, no news

    log_in(Client(REMOTE_ADDR="192.0.2.8"), agent="Laptop <b>")
    outbox.work()
    news = mail.outbox[-1]
    assert (news.to, news.subject) == (["alice@example.com"], "A new login to Ozvena")
    assert "192.0.2.8" in news.body
    assert "Laptop <b>" in news.body
    assert "/settings/logins" in news.body


def test_last_seen_is_written_once_a_minute(alice, monkeypatch):
    client = factories.browser(alice)
    old = timezone.now() - datetime.timedelta(hours=1)
    LoginSession.objects.update(last_seen_at=old)
    now = time.time()

    client.get("/login")
    assert LoginSession.objects.get().last_seen_at == old
    monkeypatch.setattr("accounts.sessions.time.time", lambda: now + 61)
    client.get("/login", REMOTE_ADDR="192.0.2.9")
    row = LoginSession.objects.get()
    assert row.last_seen_at > old
    assert row.ip == "192.0.2.9"


@pytest.mark.parametrize(
    ("steps", "is_in"),
    [
        ([13 * 86_400], True),
        ([14 * 86_400 + 120], False),
        ([13 * 86_400 * n for n in range(1, 5)], True),
        ([13 * 86_400 * n for n in range(1, 5)] + [60 * 86_400 + 60], False),
    ],
)
def test_a_login_expires(alice, monkeypatch, steps, is_in):
    client = factories.browser(alice)
    now = time.time()

    for step in steps:
        monkeypatch.setattr("accounts.sessions.time.time", lambda at=now + step: at)
        role = client.get(ME).json()["role"]

    assert (role == "user") is is_in
    assert (LoginSession.objects.get().ended_at is None) is is_in


def test_no_header_prolongs_a_login(alice, monkeypatch):
    """Pages use only the cookie, so an Authorization header changes nothing."""
    client = factories.browser(alice)
    now = time.time()
    page = "/settings/logins"

    for days, status in ((13, 200), (26, 200), (39, 200), (52, 200), (61, 302)):
        at = now + days * 86_400
        monkeypatch.setattr("accounts.sessions.time.time", lambda at=at: at)
        answer = client.get(page, headers={"Authorization": "Bearer x"})
        assert answer.status_code == status

    assert LoginSession.objects.get().ended_at is not None


def test_a_login_is_fresh_for_15_minutes(alice, monkeypatch, rf):
    client = factories.browser(alice)
    request = rf.get("/")
    request.session = client.session
    now = time.time()

    assert freshness.is_fresh(request)
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 899)
    assert freshness.is_fresh(request)
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 902)
    assert not freshness.is_fresh(request)
    bearer = rf.get("/", HTTP_AUTHORIZATION="Bearer x")
    bearer.session = client.session
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now)
    assert not freshness.is_fresh(bearer)


def test_the_history_ends_after_half_a_year(alice):
    factories.browser(alice)
    sessions.prune()
    assert LoginSession.objects.get().ended_at is None

    LoginSession.objects.update(
        last_seen_at=timezone.now() - datetime.timedelta(days=16)
    )
    sessions.prune()
    assert LoginSession.objects.get().ended_at is not None
    LoginSession.objects.update(
        last_seen_at=timezone.now() - datetime.timedelta(days=181)
    )
    sessions.prune()
    assert LoginSession.objects.count() == 0
