import datetime
import re
import time

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from accounts.errors import Blocked, InvalidLink
from accounts.login import links
from accounts.models import User
from accounts.people import blocking
from tests import factories
from tests.threads import in_threads

ME = "/api/v1/me"


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


def path_to(user):
    return f"/login/link/{links.make(user)}/"


def logged_in(client):
    return client.get(ME).json()["email"]


def test_opening_a_link_does_not_use_it_up(alice):
    client, path = factories.api(), path_to(alice)

    for _ in range(3):
        page = client.get(path)
        assert page.status_code == 200
        assert "You will be logged in as alice@example.com." in page.content.decode()
        assert "no-store" in page["Cache-Control"]
    assert client.head(path).status_code == 200
    assert logged_in(client) is None


def test_the_button_logs_in_once(alice):
    path = path_to(alice)
    client = factories.api()
    page = client.get(path).content.decode()
    csrf = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]

    answer = client.post(path, {"csrfmiddlewaretoken": csrf})

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert logged_in(client) == "alice@example.com"
    for again in (Client().post, factories.api().get):
        refused = again(path)
        assert refused.status_code == 400
        assert "This link does not work." in refused.content.decode()


def test_operators_land_in_the_back_office(alice):
    alice.is_staff = True
    alice.save()

    answer = Client().post(path_to(alice))

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_form_of_another_site_can_not_log_in(alice):
    client = factories.api()

    answer = client.post(path_to(alice))

    assert answer.status_code == 403
    assert logged_in(client) is None
    alice.refresh_from_db()
    assert alice.last_login is None


def test_any_login_ends_the_links_before_it(alice):
    old = links.make(alice)
    factories.browser(alice)

    with pytest.raises(InvalidLink):
        links.check(old)


def test_a_link_expires_after_15_minutes(alice, monkeypatch):
    secret = links.make(alice)
    now = timezone.now().timestamp()

    monkeypatch.setattr(time, "time", lambda: now + 14 * 60)
    assert links.check(secret) == alice
    monkeypatch.setattr(time, "time", lambda: now + 15 * 60 + 2)
    with pytest.raises(InvalidLink):
        links.check(secret)


@pytest.mark.parametrize(
    "secret", ["x", "a:b:c", signing.dumps(["1", ""])], ids=["x", "colons", "signed"]
)
def test_a_link_that_was_not_signed_by_us_is_refused(alice, secret):
    answer = Client().get(f"/login/link/{secret}/")

    assert answer.status_code == 400
    assert "This link was already used or has expired." in answer.content.decode()


def test_a_link_logs_in_only_its_user(alice):
    bob = factories.user("bob@example.com")

    assert links.redeem(links.make(bob)) == bob
    alice.refresh_from_db()
    assert alice.last_login is None


def test_a_blocked_user_can_not_log_in(alice):
    secret = links.make(alice)
    blocking.block(alice)

    with pytest.raises(Blocked):
        links.redeem(secret)
    client = Client()
    assert client.post(f"/login/link/{secret}/").status_code == 403
    assert logged_in(client) is None


@pytest.mark.parametrize("last_login", [None, datetime.timedelta(days=1)])
@pytest.mark.django_db(transaction=True)
def test_of_concurrent_uses_of_a_link_one_succeeds(last_login):
    alice = factories.user()
    if last_login:
        alice.last_login = timezone.now() - last_login
        alice.save()
    secret = links.make(alice)

    def race():
        try:
            return links.redeem(secret)
        except InvalidLink:
            return None

    winners = [user for user in in_threads(8, race) if user]

    assert winners == [alice]
    assert User.objects.get().last_login is not None


def test_logging_out_takes_a_post(alice):
    client = factories.browser(alice)

    assert client.get("/logout").status_code == 405
    assert logged_in(client) == "alice@example.com"
    answer = client.post("/logout")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert logged_in(client) is None
