import re

import pytest

from accounts import tokens
from accounts.models import ApiToken
from accounts.people import preferences
from kit.errors import NotFound
from tests import factories

PAGE = "/settings/tokens"


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


@pytest.fixture
def office(alice):
    return factories.browser(alice)


def test_a_token_is_made_shown_once_and_works(office):
    assert "There are no tokens yet." in office.get(PAGE).content.decode()
    body = {"name": "Robot", "environment": "SANDBOX", "monthly_credit_limit": "100"}

    page = office.post(PAGE, body).content.decode()

    text = re.findall(r"ozv-[0-9A-Za-z]{38}", page)[0]
    token = ApiToken.objects.get()
    assert (token.name, token.environment) == ("Robot", "SANDBOX")
    assert (token.monthly_credit_limit, token.expires_at) == (100, None)
    assert text not in office.get(PAGE).content.decode()
    me = factories.api(text).get("/api/v1/me")
    assert me.json()["email"] == "alice@example.com"


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "Robot", "environment": "MOON"},
        {"name": "Robot", "expires_at": "2020-01-01T00:00"},
        {"name": "Robot", "monthly_credit_limit": "-1"},
    ],
)
def test_errors_of_forms_are_shown(office, body):
    answer = office.post(PAGE, body)
    assert answer.status_code == 400
    assert "field-error" in answer.content.decode()
    assert ApiToken.objects.count() == 0


def test_a_token_is_revoked(office, alice):
    text = factories.token(alice)
    token = ApiToken.objects.get()

    answer = office.post(f"{PAGE}/{token.pk}/revoke", follow=True)

    assert "Test is revoked." in answer.content.decode()
    assert factories.api(text).get("/api/v1/me").status_code == 401


def test_tokens_of_others_are_not_found(office):
    factories.token()
    token = ApiToken.objects.get()

    assert "Test" not in re.findall(
        r'row-title">(\w+)', office.get(PAGE).content.decode()
    )
    assert office.post(f"{PAGE}/{token.pk}/revoke").status_code == 404
    assert factories.api().get(PAGE)["Location"] == "/login?next=/settings/tokens"
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_member_who_was_just_removed_gets_a_message(alice, monkeypatch):
    def refuse(*args, **options):
        raise NotFound

    monkeypatch.setattr(tokens, "issue", refuse)
    answer = factories.browser(alice).post(
        "/settings/tokens", {"name": "Mine"}, follow=True
    )
    assert answer.status_code == 200
    assert "You are not a member of this workspace any more." in answer.content.decode()


def test_tokens_come_in_pages_with_who_made_them(alice, monkeypatch):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    preferences.merge(alice, {"workspace": str(team.pk)})
    for name, maker in (("Oldest", bob), ("Middle", alice), ("Newest", alice)):
        factories.token(maker, workspace=team, name=name)
    monkeypatch.setattr("accounts.pages.tokens._SHOWN", 2)
    browser = factories.browser(alice)

    first = browser.get("/settings/tokens").content.decode()
    second = browser.get("/settings/tokens?page=2").content.decode()

    assert "Newest" in first
    assert "Middle" in first
    assert "Oldest" not in first
    assert "Created by you on" in first
    assert 'rel="next" href="?page=2"' in first
    assert "Oldest" in second
    assert "Created by bob@example.com on" in second
    assert browser.get("/settings/tokens?page=x").content.decode().count("Newest")
