import json

import pytest

from accounts.people.preferences import LIMIT
from tests import factories
from tests.threads import in_threads

ME = "/api/v1/me"
JSON = "application/json"


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


def prefer(client, preferences, **options):
    return client.patch(ME, {"preferences": preferences}, JSON, **options)


def test_a_person(alice):
    workspace = factories.workspace(alice)
    expected = {
        "id": str(alice.pk),
        "email": "alice@example.com",
        "role": "user",
        "workspace": {"id": str(workspace.pk), "name": "alice"},
        "preferences": {},
        "credits": {"available": 5000, "reserved": 0},
    }

    for client in (factories.api(factories.token(alice)), factories.browser(alice)):
        response = client.get(ME)
        assert response.status_code == 200
        assert response.json() == expected


def test_a_guest(db):
    assert factories.api().get(ME).json() == {
        "id": None,
        "email": None,
        "role": "guest",
        "workspace": None,
        "preferences": None,
        "credits": None,
    }


def test_each_environment_has_its_own_credits(alice):
    team = factories.team(alice)
    client = factories.browser(alice)

    for environment in ("PRODUCTION", "SANDBOX"):
        headers = {"X-Environment": environment, "X-Workspace": str(team.pk)}
        me = client.get(ME, headers=headers).json()
        assert me["credits"] == {"available": 0, "reserved": 0}
    assert client.get(ME + "?environment=sandbox").json()["credits"] == {
        "available": 5000,
        "reserved": 0,
    }


def test_preferences_are_merged_at_the_top_level(alice):
    client = factories.browser(alice)
    first = {"theme": "dark", "studio": {"voice": "a", "zoom": 2}, "šírka": "ž"}

    assert prefer(client, first).json()["preferences"] == first
    merged = prefer(client, {"studio": {"voice": "b"}, "gone": None}).json()

    expected = first | {"studio": {"voice": "b"}, "gone": None}
    assert merged["preferences"] == expected
    assert client.get(ME).json()["preferences"] == expected
    api = factories.api(factories.token(alice))
    assert api.get(ME).json()["preferences"] == expected


def test_nothing_to_change_changes_nothing(alice):
    client = factories.browser(alice)
    prefer(client, {"theme": "dark"})

    response = client.patch(ME, {}, JSON)

    assert response.status_code == 200
    assert response.json()["preferences"] == {"theme": "dark"}


def test_other_fields_than_preferences_are_not_changed(alice):
    response = factories.browser(alice).patch(
        ME, {"email": "eve@example.com", "role": "admin", "is_staff": True}, JSON
    )

    assert response.status_code == 200
    alice.refresh_from_db()
    assert (alice.email, alice.is_staff) == ("alice@example.com", False)


def test_preferences_have_a_limit_together(alice):
    client = factories.browser(alice)
    room = LIMIT - len(json.dumps({"a": "", "b": 1}, separators=(",", ":")))
    assert prefer(client, {"a": "ž" * (room // 2), "b": 1}).status_code == 200

    response = prefer(client, {"c": 1})

    assert response.status_code == 400
    assert response.json() == {
        "code": "preferences_too_large",
        "detail": (
            f"Preferences can have at most {LIMIT} bytes as JSON; these have {LIMIT + 6}."
        ),
        "params": {"limit": LIMIT, "size": LIMIT + 6},
    }
    assert list(client.get(ME).json()["preferences"]) == ["a", "b"]
    assert prefer(client, {"a": "", "c": 1}).status_code == 200


@pytest.mark.parametrize("wrong", ["dark", 7, None, ["a"], True])
def test_preferences_are_an_object(alice, wrong):
    response = prefer(factories.browser(alice), wrong)

    assert response.status_code == 400
    answer = response.json()
    assert (answer["code"], list(answer["fields"])) == ("invalid", ["preferences"])


def test_guests_and_operators_have_no_preferences(db, settings):
    settings.ADMIN_ACCESS_KEY = "k" * 32

    guest = prefer(factories.api(), {"a": 1})
    assert (guest.status_code, guest.json()["code"]) == (401, "authentication_required")
    operator = prefer(factories.api("k" * 32), {"a": 1})
    assert (operator.status_code, operator.json()["code"]) == (403, "permission_denied")


def test_the_operators_key(db, settings):
    settings.ADMIN_ACCESS_KEY = "k" * 32

    me = factories.api("k" * 32).get(ME).json()

    assert me["role"] == "admin"
    assert me["preferences"] is None
    assert me["credits"] == {"available": 0, "reserved": 0}


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_time_are_all_kept():
    alice = factories.user()
    text = factories.token(alice)
    names = iter("abcdefgh")

    def change():
        return prefer(factories.api(text), {next(names): 1}).status_code

    assert in_threads(8, change) == [200] * 8
    alice.refresh_from_db()
    assert alice.preferences == dict.fromkeys("abcdefgh", 1)
