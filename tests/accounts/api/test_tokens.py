"""The API of tokens."""

import datetime
import uuid

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken
from tests import factories
from tests.cases import cases

URL = "/api/v1/tokens"
JSON = "application/json"


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


@pytest.fixture(params=["token", "cookie"])
def client(request, alice):
    """A client of Alice, by cookie or by token."""
    if request.param == "token":
        return factories.api(factories.token(alice, name="First"))
    return factories.browser(alice)


def names(response):
    assert response.status_code == 200
    return [token["name"] for token in response.json()["results"]]


def test_a_new_token_is_shown_once(client, alice):
    response = client.post(URL, {"name": " Robot "}, JSON)

    assert response.status_code == 201
    made = response.json()
    text = made["token"]
    row = ApiToken.objects.get(name="Robot")
    assert tokens.find(text) == row
    assert made == {
        "id": str(row.pk),
        "name": "Robot",
        "prefix": text[:8],
        "last4": text[-4:],
        "environment": None,
        "monthly_credit_limit": None,
        "expires_at": None,
        "last_used_at": None,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "token": text,
    }
    assert (row.created_by, row.workspace) == (alice, factories.workspace(alice))
    listed = client.get(URL).json()["results"][0]
    assert listed == {key: made[key] for key in made if key != "token"}


def test_a_new_token_can_have_environment_expiry_and_limit(client):
    until = timezone.now().replace(microsecond=0) + datetime.timedelta(days=1)

    made = client.post(
        URL,
        {
            "name": "Robot",
            "environment": "sandbox",
            "expires_at": until.isoformat(),
            "monthly_credit_limit": 1000,
        },
        JSON,
    ).json()

    assert made["environment"] == "SANDBOX"
    assert made["expires_at"] == until.isoformat().replace("+00:00", "Z")
    assert made["monthly_credit_limit"] == 1000


def test_a_bound_token_creates_tokens_of_its_environment(alice):
    client = factories.api(factories.token(alice, environment="SANDBOX"))

    assert client.post(URL, {"name": "a"}, JSON).json()["environment"] == "SANDBOX"
    refused = client.post(URL, {"name": "b", "environment": "PRODUCTION"}, JSON)

    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_environment"
    assert not ApiToken.objects.filter(name="b").exists()


BAD_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": " \t"}, "name"),
    ({"name": 7}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": ["x"]}, "name"),
    ({"environment": "mars"}, "environment"),
    ({"environment": ""}, "environment"),
    ({"environment": 1}, "environment"),
    ({"expires_at": "yesterday"}, "expires_at"),
    ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": 5}, "expires_at"),
    ({"expires_at": "0001-01-01T00:00:00+23:59"}, "expires_at"),
    ({"monthly_credit_limit": -1}, "monthly_credit_limit"),
    ({"monthly_credit_limit": 1.5}, "monthly_credit_limit"),
    ({"monthly_credit_limit": "5"}, "monthly_credit_limit"),
    ({"monthly_credit_limit": True}, "monthly_credit_limit"),
    ({"monthly_credit_limit": 10**30}, "monthly_credit_limit"),
]


def test_bad_fields_are_named(alice):
    client = factories.browser(alice)
    for (change, field), case in cases(BAD_FIELDS):
        with case:
            response = client.post(URL, {"name": "Robot"} | change, JSON)
            assert response.status_code == 400
            answer = response.json()
            assert list(answer) == ["code", "detail", "fields"]
            assert (answer["code"], list(answer["fields"])) == ("invalid", [field])
            assert isinstance(answer["fields"][field][0], str)
            assert not ApiToken.objects.exists()


def test_a_name_is_needed(alice):
    response = factories.browser(alice).post(URL, {}, JSON)

    assert response.json() == {
        "code": "invalid",
        "detail": "Some fields are not valid.",
        "fields": {"name": ["This field is required."]},
    }


def test_a_repeated_request_makes_one_token_and_keeps_its_secret(alice):
    by_token = factories.api(factories.token(alice, name="First"))
    by_cookie = factories.browser(alice)
    headers = {"Idempotency-Key": "once"}
    body = '{"name": "Robot"}'

    first = by_token.post(URL, body, JSON, headers=headers)
    replay = by_cookie.post(URL, body, JSON, headers=headers)

    assert (first.status_code, replay.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first.headers
    assert replay["Idempotent-Replayed"] == "true"
    assert replay.json() == first.json() | {"token": None}
    assert ApiToken.objects.filter(name="Robot").count() == 1

    other = by_token.post(URL, '{"name": "Other"}', JSON, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    bob = factories.browser(factories.user("bob@example.com"))
    assert "Idempotent-Replayed" not in bob.post(URL, body, JSON, headers=headers)


def test_a_refused_request_keeps_no_key(alice):
    client = factories.browser(alice)
    headers = {"Idempotency-Key": "once"}

    assert client.post(URL, {}, JSON, headers=headers).status_code == 400
    response = client.post(URL, {"name": "Robot"}, JSON, headers=headers)

    assert response.status_code == 201


def test_revoked_tokens_leave_the_list_at_once(client):
    made = client.post(URL, {"name": "Robot"}, JSON).json()
    robot = factories.api(made["token"])
    assert robot.get(URL).status_code == 200

    response = client.delete(f"{URL}/{made['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert robot.get(URL).status_code == 401
    assert "Robot" not in names(client.get(URL))
    assert client.delete(f"{URL}/{made['id']}").status_code == 404


def test_tokens_of_others_are_not_found(alice):
    text = factories.token(alice)
    row = tokens.find(text)

    for stranger in (
        factories.api(factories.token(name="Bob's")),
        factories.browser(factories.user()),
    ):
        assert "Test" not in names(stranger.get(URL))
        foreign = stranger.delete(f"{URL}/{row.pk}")
        missing = stranger.delete(f"{URL}/{uuid.uuid4()}")
        assert foreign.status_code == missing.status_code == 404
        assert foreign.content == missing.content
    assert tokens.find(text) == row


def test_members_see_their_own_tokens_and_owners_all(alice):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    factories.token(alice, name="Alice's", workspace=team)
    factories.token(bob, name="Bob's", workspace=team)
    headers = {"X-Workspace": str(team.pk)}

    assert names(factories.browser(bob).get(URL, headers=headers)) == ["Bob's"]
    assert names(factories.browser(alice).get(URL, headers=headers)) == [
        "Bob's",
        "Alice's",
    ]
    alices = ApiToken.objects.get(name="Alice's")
    refused = factories.browser(bob).delete(f"{URL}/{alices.pk}", headers=headers)
    assert refused.status_code == 404
    alices.refresh_from_db()
    assert alices.revoked_at is None


def test_the_list_is_paged_newest_first(alice):
    for number in range(5):
        factories.token(alice, name=str(number))
    client = factories.browser(alice)

    first = client.get(URL, {"limit": 2})
    second = client.get(first.json()["next"])

    assert names(first) == ["4", "3"]
    assert names(second) == ["2", "1"]
    assert first.json()["previous"] is None
    assert names(client.get(second.json()["previous"])) == ["4", "3"]


@pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/workspaces"])
def test_the_same_key_of_two_members_makes_two_tokens(db, path):
    alice, bob = factories.user(), factories.user()
    team = factories.team(alice, bob)
    headers = {"Idempotency-Key": "1"}
    body = {"name": "Mine"}
    first, again, other = (
        factories.api(factories.token(person, workspace=team)).post(
            path, body, "application/json", headers=headers
        )
        for person in (alice, alice, bob)
    )

    assert (first.status_code, other.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotent-Replayed"] == "true"
    assert other.json()["id"] != first.json()["id"]
    assert "Idempotent-Replayed" not in other
