import time

import pytest

from accounts.models import Invitation, Membership, Workspace
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/settings/team"


@pytest.fixture
def alice():
    return factories.user("alice@example.com")


@pytest.fixture
def office(alice):
    return factories.browser(alice)


def do(client, verb, **fields):
    return client.post(f"{PAGE}/{verb}", fields, follow=True).content.decode()


def test_members_are_invited_promoted_and_removed(alice, office):
    assert "The workspace was created." in do(office, "create", name="Radio")
    team = Workspace.objects.get(name="Radio")
    assert "Renamed." in do(office, "rename", workspace=team.pk, name="Radio One")
    page = do(
        office, "invite", workspace=team.pk, email="bob@example.com", role="admin"
    )
    assert "We sent an invitation to bob@example.com." in page
    bob = factories.user("bob@example.com")
    phone = factories.browser(bob)
    assert "Radio One" in phone.get(PAGE).content.decode()

    invitation = Invitation.objects.get().pk
    assert "You are in Radio One now." in do(phone, "accept", invitation=invitation)
    fields = {"workspace": team.pk, "member": bob.pk}
    assert "bob@example.com is member now." in do(
        office, "role", role="member", **fields
    )
    assert "bob@example.com is owner now." in do(office, "role", role="owner", **fields)
    leave = {"workspace": team.pk, "member": alice.pk}
    assert "You have left the workspace." in do(office, "remove", **leave)
    assert [row.user for row in Membership.objects.filter(workspace=team)] == [bob]


def test_declining_and_withdrawing(office):
    do(office, "create", name="Radio")
    team = Workspace.objects.get(name="Radio")
    for verb, client in (
        ("withdraw", office),
        ("decline", factories.browser(factories.user("bob@example.com"))),
    ):
        do(office, "invite", workspace=team.pk, email="bob@example.com", role="member")
        fields = {"workspace": team.pk, "invitation": Invitation.objects.get().pk}
        assert "The invitation is" in do(client, verb, **fields)
        assert Invitation.objects.count() == 0


def test_refusals_are_shown(office, alice):
    assert "This field is required." in do(office, "create", name="")
    personal = factories.workspace(alice).pk
    page = do(
        office, "invite", workspace=personal, email="b@example.com", role="member"
    )
    assert "A personal workspace is for one person." in page
    page = do(office, "remove", workspace=personal, member=alice.pk)
    assert "Make another member the owner first." in page


def test_workspaces_of_others_are_not_found(office):
    team = factories.team(factories.user())
    for verb, fields in (
        ("rename", {"workspace": team.pk, "name": "Mine"}),
        ("rename", {"workspace": "nonsense", "name": "Mine"}),
        ("role", {"workspace": team.pk, "role": "boss"}),
        ("conquer", {}),
    ):
        assert office.post(f"{PAGE}/{verb}", fields).status_code == 404
    assert Workspace.objects.filter(name="Mine").count() == 0
    assert factories.api().get(PAGE)["Location"] == "/login?next=/settings/team"


def test_members_are_changed_with_a_fresh_login(office, monkeypatch):
    do(office, "create", name="Radio")
    team = Workspace.objects.get(name="Radio")
    now = time.time()
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 902)

    answer = office.post(
        f"{PAGE}/invite",
        {"workspace": team.pk, "email": "bob@example.com", "role": "member"},
    )

    assert answer["Location"] == "/login?next=%2Fsettings%2Fteam"
    assert Invitation.objects.count() == 0


def test_many_workspaces_take_no_more_queries(db, django_assert_max_num_queries):
    alice = factories.user("alice@example.com")
    client = factories.browser(alice)
    client.get("/settings/team")
    for _ in range(12):
        factories.team(factories.user(), alice)
        team = Workspace.objects.latest("pk")
        Membership.objects.create(user=factories.user(), workspace=team, role="admin")
    with django_assert_max_num_queries(14):
        page = client.get("/settings/team")
    assert page.status_code == 200
