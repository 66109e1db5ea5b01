import datetime
import json
import time
import uuid

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Invitation, LoginSession, Membership, Workspace
from accounts.people import blocking, teams
from kit.mail import outbox
from tests import factories
from tests.cases import cases
from tests.tenancy.asking import rolled_back
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

WORKSPACES = "/api/v1/workspaces"
MINE = "/api/v1/me/invitations"
JSON = "application/json"


@pytest.fixture
def people():
    """Return a team with a member of each role, and a user outside of it."""
    cast = {
        name: factories.user(f"{name}@example.com")
        for name in ("owner", "admin", "member", "stranger")
    }
    team = factories.team(cast["owner"], cast["admin"], cast["member"])
    Membership.objects.filter(user=cast["admin"]).filter(workspace=team).update(
        role="admin"
    )
    return cast | {"team": team}


def roles_in(team):
    rows = Membership.objects.filter(workspace=team).select_related("user")
    return {row.user.email.split("@")[0]: row.role for row in rows}


def code_of(answer):
    return answer.json().get("code") if answer.content else None


# --- Opening -------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["cookie", "token"])
def test_opening_a_workspace(door):
    alice = factories.user()
    client = (
        factories.browser(alice)
        if door == "cookie"
        else factories.api(factories.token(alice))
    )

    answer = client.post(WORKSPACES, {"name": " Radio "}, JSON)

    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["kind"], made["tier"], made["role"]) == (
        *("Radio", "team", "free", "owner"),
    )
    browser = factories.browser(alice)
    assert [row["id"] for row in browser.get(WORKSPACES).json()["results"]] == [
        made["id"],
        str(factories.workspace(alice).pk),
    ]
    headers = {"X-Workspace": made["id"]}
    me = browser.get("/api/v1/me", headers=headers).json()
    assert me["credits"] == {"available": 0, "reserved": 0}  # no second sign-up grant


def test_a_token_lists_only_its_own_workspace(people):
    client = factories.api(factories.token(people["owner"]))
    own = factories.workspace(people["owner"])

    listed = client.get(WORKSPACES).json()["results"]
    assert [row["id"] for row in listed] == [str(own.pk)]
    assert client.get(f"{WORKSPACES}/{people['team'].pk}").status_code == 404


def test_a_user_can_own_three_workspaces_without_a_plan(monkeypatch):
    alice = factories.user()
    client = factories.browser(alice)
    for name in ("Two", "Three"):
        assert client.post(WORKSPACES, {"name": name}, JSON).status_code == 201
    refused = client.post(WORKSPACES, {"name": "Four"}, JSON)
    assert (refused.status_code, code_of(refused)) == (409, "too_many_workspaces")
    Workspace.objects.filter(name="Two").update(tier="paid")
    assert client.post(WORKSPACES, {"name": "Four"}, JSON).status_code == 201


def test_parallel_openings_keep_to_the_limit():
    clients = [factories.browser(factories.user("alice@example.com")) for _ in range(6)]

    def open_one():
        return clients.pop().post(WORKSPACES, {"name": "Team"}, JSON).status_code

    assert sorted(in_threads(6, open_one)) == [201, 201, 409, 409, 409, 409]


def test_a_repeated_request_opens_one(people):
    client = factories.browser(people["stranger"])
    headers = {"Idempotency-Key": "one"}
    first = client.post(WORKSPACES, {"name": "Team"}, JSON, headers=headers)
    again = client.post(WORKSPACES, {"name": "Team"}, JSON, headers=headers)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"


# --- Who may -------------------------------------------------------------------------


def attempts(people):
    """Yield each action with the users who may do it, and its request."""
    base = f"{WORKSPACES}/{people['team'].pk}"
    everybody, managers, owner = (
        {"owner", "admin", "member"},
        {"owner", "admin"},
        {"owner"},
    )
    member, admin = people["member"].pk, people["admin"].pk
    yield everybody, "GET", base, None
    yield everybody, "GET", f"{base}/members", None
    yield everybody, "GET", f"{base}/invitations", None
    yield managers, "PATCH", base, {"name": "Renamed"}
    yield managers, "POST", f"{base}/invitations", {"email": "new@example.com"}
    yield (
        *(owner, "POST", f"{base}/invitations"),
        {"email": "new@example.com", "role": "admin"},
    )
    yield managers | {"member"}, "DELETE", f"{base}/members/{member}", None
    yield {"owner", "admin"}, "DELETE", f"{base}/members/{admin}", None
    yield owner, "PATCH", f"{base}/members/{member}", {"role": "admin"}
    yield owner, "PATCH", f"{base}/members/{member}", {"role": "owner"}


@pytest.mark.django_db  # in a transaction, so that each attempt can be taken back
@pytest.mark.parametrize("who", ["owner", "admin", "member", "stranger"])
def test_who_may_do_what(people, who):
    client = factories.browser(people[who])
    before = (roles_in(people["team"]), Invitation.objects.count())
    for (may, method, path, body), case in cases(attempts(people)):
        with case, rolled_back():
            answer = client.generic(
                method, path, content_type=JSON, data=json.dumps(body or {})
            )
            if who in may:
                assert answer.status_code in (200, 201, 204), answer.content
            else:
                assert answer.status_code == (404 if who == "stranger" else 403)
                after = (roles_in(people["team"]), Invitation.objects.count())
                assert after == before


def test_tokens_and_old_logins_change_no_members(people, monkeypatch):
    team = people["team"]
    token = factories.api(factories.token(people["owner"], workspace=team))
    browser = factories.browser(people["owner"])

    now = time.time()
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 902)
    base = f"{WORKSPACES}/{team.pk}"
    member = f"{base}/members/{people['member'].pk}"
    invitation = f"{base}/invitations/{uuid.uuid4()}"
    for client in (token, browser):
        for answer in (
            client.post(f"{base}/invitations", {"email": "a@example.com"}, JSON),
            client.patch(member, {"role": "admin"}, JSON),
            client.delete(member),
            client.delete(invitation),
            client.post(f"{MINE}/{uuid.uuid4()}"),
            client.delete(f"{MINE}/{uuid.uuid4()}"),
        ):
            assert (answer.status_code, code_of(answer)) == (
                403,
                "fresh_login_required",
            )
        assert client.get(f"{base}/members").status_code == 200
    assert roles_in(team) == {"owner": "owner", "admin": "admin", "member": "member"}


# --- Members -------------------------------------------------------------------------


def test_members_are_listed(people):
    client = factories.browser(people["member"])
    rows = client.get(f"{WORKSPACES}/{people['team'].pk}/members").json()["results"]
    assert sorted((row["email"], row["role"]) for row in rows) == [
        ("admin@example.com", "admin"),
        ("member@example.com", "member"),
        ("owner@example.com", "owner"),
    ]


def test_leaving_revokes_the_members_tokens(people):
    team, member = people["team"], people["member"]
    text = factories.token(member, workspace=team)
    other = factories.token(member)
    path = f"{WORKSPACES}/{team.pk}/members/{member.pk}"

    assert factories.browser(member).delete(path).status_code == 204

    assert roles_in(team) == {"owner": "owner", "admin": "admin"}
    assert factories.api(text).get("/api/v1/me").status_code == 401
    Membership.objects.create(user=member, workspace=team)
    assert factories.api(text).get("/api/v1/me").status_code == 401
    assert factories.api(other).get("/api/v1/me").status_code == 200


def test_the_owner_stays_until_ownership_is_handed_over(people):
    team, owner, member = people["team"], people["owner"], people["member"]
    client = factories.browser(owner)
    base = f"{WORKSPACES}/{team.pk}/members"

    refused = client.delete(f"{base}/{owner.pk}")
    assert (refused.status_code, code_of(refused)) == (409, "owner_stays")
    demoted = client.patch(f"{base}/{owner.pk}", {"role": "member"}, JSON)
    assert demoted.status_code == 403
    answer = client.patch(f"{base}/{member.pk}", {"role": "owner"}, JSON)
    assert answer.json()["role"] == "owner"
    assert roles_in(team) == {"owner": "admin", "admin": "admin", "member": "owner"}
    assert client.delete(f"{base}/{owner.pk}").status_code == 204
    assert client.get(base).status_code == 404


def test_concurrent_hand_overs_leave_one_owner(people):
    team = people["team"]
    clients = [factories.browser(people["owner"]) for _ in range(2)]
    heirs = [people["admin"], people["member"]]

    def hand_over():
        path = f"{WORKSPACES}/{team.pk}/members/{heirs.pop().pk}"
        return clients.pop().patch(path, {"role": "owner"}, JSON).status_code

    assert sorted(in_threads(2, hand_over)) == [200, 403]
    assert sorted(roles_in(team).values()).count("owner") == 1


def test_requests_to_a_blocked_workspace_are_refused(people):
    blocking.block(people["team"])
    answer = factories.browser(people["owner"]).get(
        f"{WORKSPACES}/{people['team'].pk}/members"
    )
    assert (answer.status_code, code_of(answer)) == (403, "blocked")


# --- Invitations ---------------------------------------------------------------------


def invite(people, email="new@example.com", **fields):
    client = factories.browser(people["owner"])
    path = f"{WORKSPACES}/{people['team'].pk}/invitations"
    return client.post(path, {"email": email} | fields, JSON)


def test_an_invitation_is_mailed_and_accepted(people):
    assert invite(people, "New@Example.com", role="admin").status_code == 201
    outbox.work()
    (sent,) = mail.outbox
    assert sent.to == ["new@example.com"]
    assert "owner@example.com invites you" in sent.body

    newcomer = factories.browser(factories.user("new@example.com"))
    (waiting,) = newcomer.get(MINE).json()["results"]
    answer = newcomer.post(f"{MINE}/{waiting['id']}")

    assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    assert roles_in(people["team"])["new"] == "admin"
    assert newcomer.get(MINE).json()["results"] == []
    assert newcomer.post(f"{MINE}/{waiting['id']}").status_code == 404


def test_an_invitation_of_others_is_not_found(people):
    invite(people)
    row = Invitation.objects.get()
    stranger = factories.browser(people["stranger"])

    assert stranger.get(MINE).json()["results"] == []
    assert stranger.post(f"{MINE}/{row.pk}").status_code == 404
    assert stranger.delete(f"{MINE}/{row.pk}").status_code == 404
    assert "stranger" not in roles_in(people["team"])


def test_declining_and_withdrawing(people):
    invite(people)
    row = Invitation.objects.get()
    newcomer = factories.browser(factories.user("new@example.com"))
    assert newcomer.delete(f"{MINE}/{row.pk}").status_code == 204
    invite(people)
    again = Invitation.objects.get()
    owner = factories.browser(people["owner"])
    path = f"{WORKSPACES}/{people['team'].pk}/invitations/{again.pk}"
    assert owner.delete(path).status_code == 204
    assert owner.delete(path).status_code == 404
    assert newcomer.post(f"{MINE}/{again.pk}").status_code == 404


def test_an_invitation_lasts_a_week(people):
    invite(people)
    row = Invitation.objects.get()
    left = row.expires_at - timezone.now()
    assert datetime.timedelta(days=6, hours=23) < left <= datetime.timedelta(days=7)
    Invitation.objects.update(expires_at=timezone.now())
    newcomer = factories.browser(factories.user("new@example.com"))
    assert newcomer.post(f"{MINE}/{row.pk}").status_code == 404
    assert invite(people).status_code == 201
    assert Invitation.objects.count() == 1


def test_what_is_refused(people, monkeypatch):
    assert code_of(invite(people, "member@example.com")) == "already_member"
    assert code_of(invite(people, "nonsense")) == "invalid"
    assert code_of(invite(people, role="owner")) == "invalid"
    personal = factories.workspace(people["owner"])
    path = f"{WORKSPACES}/{personal.pk}/invitations"
    answer = factories.browser(people["owner"]).post(
        path, {"email": "a@example.com"}, JSON
    )
    assert (answer.status_code, code_of(answer)) == (409, "personal_workspace")
    monkeypatch.setattr(teams, "INVITATIONS_PER_DAY", 1)
    assert invite(people).status_code == 201
    assert code_of(invite(people, "b@example.com")) == "rate_limited"
    outbox.work()
    invited = [sent for sent in mail.outbox if "invited" in sent.subject]
    assert [sent.to for sent in invited] == [["new@example.com"]]


def test_an_invitation_is_accepted_once_with_a_key(people):
    bob = factories.browser(people["stranger"])
    membership = Membership.objects.get(user=people["owner"], workspace=people["team"])
    with transaction.atomic():
        invitation = teams.invite(membership, people["stranger"].email, "member")
    url, once = f"/api/v1/me/invitations/{invitation.pk}", {"Idempotency-Key": "yes"}

    first, again = (bob.post(url, headers=once) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert bob.post(url).status_code == 404


def test_an_admin_overwrites_no_invitation_of_an_admin(people):
    def membership(name):
        return Membership.objects.get(user=people[name], workspace=people["team"])

    with transaction.atomic():
        waiting = teams.invite(membership("owner"), "new@example.com", "admin")
    path = f"{WORKSPACES}/{people['team'].pk}/invitations"
    body = {"email": "New@example.com", "role": "member"}

    refused = factories.browser(people["admin"]).post(path, body, JSON)

    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")
    kept = Invitation.objects.get()
    assert (kept.pk, kept.role, kept.invited_by) == (
        *(waiting.pk, "admin", people["owner"]),
    )
    assert factories.browser(people["owner"]).post(path, body, JSON).status_code == 201
    assert Invitation.objects.get().role == "member"


@pytest.mark.parametrize("role", ["member", "admin", "owner"])
def test_the_database_keeps_a_personal_workspace_to_one(people, role):
    home = factories.workspace(people["owner"])
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(user=people["member"], workspace=home, role=role)
    assert home.memberships.count() == 1


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (Membership, "role"),
        (Workspace, "kind"),
        (Workspace, "tier"),
        (Invitation, "role"),
        (LoginSession, "method"),
    ],
)
def test_the_database_knows_all_values(people, model, field):
    until = timezone.now()
    Invitation.objects.create(
        workspace=people["team"],
        email="new@example.com",
        role="member",
        invited_by=people["owner"],
        expires_at=until,
    )
    factories.browser(people["owner"])
    rows = model.objects.filter(pk=model.objects.latest("pk").pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(**{field: "moon"})
