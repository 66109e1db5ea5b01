"""Closing an account: hidden at once, reopened by a login, purged after seven days."""

import datetime

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import tokens
from accounts.errors import InvalidToken, OperatorStays, WorkspaceInUse
from accounts.login import links
from accounts.models import (
    ApiToken,
    AuditEntry,
    LoginSession,
    Membership,
    User,
    WelcomedPerson,
    Workspace,
)
from accounts.people import blocking, closing, teams
from accounts.people.signup import sign_up
from kit.errors import NotFound
from kit.files.storage import delete_tree
from kit.mail import outbox
from kit.models import Mail
from tests import factories
from tests.accounts.codes import newest_code
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

ME = "/api/v1/me"
JSON = "application/json"
WEEK = datetime.timedelta(days=7)
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def alice():
    return factories.user("alice@example.com")


def close(user):
    with transaction.atomic():
        return closing.close(user)


def closed_at(user):
    user.refresh_from_db()
    return user.closed_at


def age(row, by):
    """Move the time at which an account or a workspace was closed back."""
    now = closed_at(row)
    Workspace.objects.filter(closed_at=now).update(closed_at=now - by)
    User.objects.filter(closed_at=now).update(closed_at=now - by)


def log_in(email="alice@example.com"):
    client = Client(raise_request_exception=False)
    client.post("/api/v1/auth/code", {"email": email}, JSON)
    body = {"email": email, "code": newest_code(email)}
    return client, client.post("/api/v1/auth/session", body, JSON)


# --- By the API ----------------------------------------------------------------------


def test_closing_ends_logins_tokens_and_work_at_once(alice):
    text, home = factories.token(alice), factories.workspace(alice)
    here, elsewhere = factories.browser(alice), factories.browser(alice)

    answer = here.delete(ME)

    assert (answer.status_code, answer.content) == (204, b"")
    for client in (here, elsewhere):
        assert client.get(ME).json()["role"] == "guest"
        assert client.get("/settings/tokens").status_code == 302
    refused = factories.api(text).get(ME)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert not LoginSession.objects.active().exists()
    assert closed_at(alice)
    home.refresh_from_db()
    assert home.closed_at == alice.closed_at
    outbox.work()
    assert mail.outbox[-1].to == ["alice@example.com"]
    day = alice.closed_at + WEEK
    assert f"{day:%-d %B %Y}" in mail.outbox[-1].body


@pytest.mark.parametrize("door", ["token", "old login", "guest", "operators' key"])
def test_it_takes_a_fresh_login(alice, settings, monkeypatch, door):
    settings.ADMIN_ACCESS_KEY = "k" * 40
    if door == "token":
        client = factories.api(factories.token(alice))
    elif door == "operators' key":
        client = factories.api(settings.ADMIN_ACCESS_KEY)
    elif door == "guest":
        client = factories.api()
    else:
        client = factories.browser(alice)
        session = client.session
        session["logged_in_at"] -= 901
        session.save()

    answer = client.delete(ME)

    expected = {
        "token": (403, "fresh_login_required"),
        "old login": (403, "fresh_login_required"),
        "guest": (401, "authentication_required"),
        "operators' key": (403, "fresh_login_required"),
    }
    assert (answer.status_code, answer.json()["code"]) == expected[door]
    assert not User.objects.exclude(closed_at=None).exists()


def test_a_login_reopens_the_account_with_everything(alice):
    text = factories.token(alice)
    team = factories.team(alice)
    close(alice)
    age(alice, WEEK - MINUTE)

    client, answer = log_in()

    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == str(alice.pk)
    assert client.get(ME).json()["credits"] == {"available": 5000, "reserved": 0}
    assert factories.api(text).get(ME).status_code == 200
    assert not Workspace.objects.exclude(closed_at=None).exists()
    assert teams.memberships(factories.caller(alice)).filter(workspace=team).exists()
    outbox.work()
    assert mail.outbox[-1].subject == "Your account at Ozvena is open again"


def test_a_login_link_reopens_the_account_too(alice):
    close(alice)
    assert links.redeem(links.make(alice)) == alice
    assert closed_at(alice) is None


def test_after_seven_days_the_address_is_for_somebody_new(alice):
    text = factories.token(alice)
    close(alice)
    age(alice, WEEK)

    client, answer = log_in()

    assert answer.status_code == 200
    new = answer.json()["user"]["id"]
    assert new != str(alice.pk)
    assert client.get(ME).json()["credits"] == {"available": 0, "reserved": 0}
    assert factories.api(text).get(ME).status_code == 401
    assert WelcomedPerson.objects.count() == 1
    alice.refresh_from_db()
    assert alice.email == f"{alice.pk}@closed.invalid"
    assert not alice.is_active


def test_a_link_for_a_closed_account_past_its_time_is_refused(alice):
    secret = links.make(alice)
    close(alice)
    age(alice, WEEK)
    page = factories.api().get(reverse("login_link", args=[secret]))
    assert page.status_code == 400


def test_a_released_address_goes_to_one_of_concurrent_sign_ups(alice):
    close(alice)
    age(alice, WEEK)

    people = in_threads(6, lambda: sign_up("alice@example.com").pk)

    assert len(set(people)) == 1
    assert people[0] != alice.pk
    assert User.objects.filter(email="alice@example.com").count() == 1


def test_closing_and_signing_up_again_does_not_remove_a_block(alice):
    home = factories.workspace(alice)
    close(alice)
    blocking.block(alice)
    age(alice, 2 * WEEK)

    Client().post("/api/v1/auth/code", {"email": "alice@example.com"}, JSON)
    outbox.work()
    assert [sent.subject for sent in mail.outbox] == [
        "Your account at Ozvena is closed"
    ]
    assert closing.purge() == 0
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    home.refresh_from_db()
    assert (home.name, home.purged_at) == ("alice", None)


def test_a_blocked_member_keeps_no_closed_workspace(alice):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    blocking.block(bob)
    with transaction.atomic():
        teams.close(Membership.objects.get(user=alice, workspace=team))
    Workspace.objects.filter(pk=team.pk).update(closed_at=timezone.now() - WEEK)

    assert closing.purge() == 1

    team.refresh_from_db()
    assert (team.name, team.purged_at is None) == ("Closed workspace", False)
    assert closing.purge() == 0


def test_a_login_after_the_address_was_released_reopens_nothing(alice):
    close(alice)
    late = User.objects.get(pk=alice.pk)  # read just before the end of the seventh day
    age(alice, WEEK)
    with transaction.atomic():
        closing.release_address(alice)

    with transaction.atomic():
        closing.reopen(late)

    assert closed_at(alice)
    assert alice.email == f"{alice.pk}@closed.invalid"
    assert not Workspace.objects.filter(closed_at=None).exists()
    assert not Mail.objects.filter(subject__contains="open again").exists()


def test_a_failed_purge_does_not_stop_the_others(alice, monkeypatch, caplog):
    bob = factories.user("bob@example.com")
    close(alice)
    close(bob)
    age(alice, WEEK + MINUTE)
    age(bob, WEEK)

    def fail_for_alice(storage, prefix):
        if str(alice.pk) in prefix:
            raise OSError("the storage is down")
        return delete_tree(storage, prefix)

    monkeypatch.setattr(closing, "delete_tree", fail_for_alice)
    monkeypatch.setattr(closing, "_MOST", 1)

    assert [closing.purge() for _ in range(3)] == [1, 2, 0]

    assert list(User.objects.all()) == [alice]
    assert f"accounts.User {alice.pk} could not be purged" in caplog.text
    monkeypatch.undo()
    assert closing.purge() == 1
    assert not User.objects.exists()


# --- Whose workspaces close along ----------------------------------------------------


def test_closing_closes_own_teams_and_is_refused_for_shared_ones(alice):
    bob = factories.user("bob@example.com")
    alone, shared = factories.team(alice), factories.team(alice, bob, name="Choir")

    with pytest.raises(WorkspaceInUse) as refused:
        close(alice)
    assert str(refused.value) == "Hand over or close these workspaces first: Choir."
    assert not Workspace.objects.exclude(closed_at=None).exists()
    assert closed_at(alice) is None

    close(bob)  # who is a member alone leaves no trace
    assert list(teams.members(shared).values_list("user", flat=True)) == [alice.pk]
    close(alice)
    closed = Workspace.objects.exclude(closed_at=None)
    assert {alone.pk, shared.pk} < set(closed.values_list("pk", flat=True))


def test_operators_can_not_close_their_accounts(alice):
    alice.is_staff = True
    alice.save()
    with pytest.raises(OperatorStays):
        close(alice)
    answer = factories.browser(alice).delete(ME)
    assert (answer.status_code, answer.json()["code"]) == (409, "operator_stays")


def test_closing_twice_changes_nothing(alice):
    gone_at = close(alice)
    assert close(alice) == gone_at
    assert len([m for m in Mail.objects.all() if "closed" in m.subject]) == 1


def test_closing_and_taking_over_at_once_leave_an_owner(alice):
    """A user who becomes owner while closing keeps the workspace open, or is no owner."""
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    by = Membership.objects.get(user=alice, workspace=team)
    actions = iter(
        [
            lambda: closing.close(bob),
            lambda: teams.change_role(by, bob.pk, Membership.Role.OWNER),
        ]
    )

    def run():
        chosen = next(actions)
        try:
            with transaction.atomic():
                chosen()
        except (WorkspaceInUse, NotFound) as refused:
            return type(refused)
        return None

    outcomes = in_threads(2, run)

    owner = Membership.objects.get(workspace=team, role="owner").user
    assert owner.closed_at is None
    assert len([outcome for outcome in outcomes if outcome]) == 1


# --- A workspace by itself -----------------------------------------------------------


@pytest.fixture
def choir(alice):
    bob = factories.user("bob@example.com")
    return factories.team(alice, bob, name="Choir")


def test_an_owner_closes_a_workspace_and_opens_it_again(alice, choir):
    bob = User.objects.get(email="bob@example.com")
    token = factories.token(bob, workspace=choir)
    owner = factories.browser(alice)
    address = f"/api/v1/workspaces/{choir.pk}"

    assert owner.delete(address).status_code == 204
    assert owner.get(address).status_code == 404
    assert factories.api(token).get(ME).status_code == 401
    headers = {"X-Workspace": str(choir.pk)}
    assert factories.browser(bob).get(ME, headers=headers).status_code == 404
    assert owner.delete(address).status_code == 404
    stranger = factories.browser(bob).post(f"{address}/reopen")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "not_found")

    again = owner.post(f"{address}/reopen")
    assert again.status_code == 200
    assert again.json()["name"] == "Choir"
    assert factories.api(token).get(ME).status_code == 200
    assert owner.post(f"{address}/reopen").status_code == 404


def test_only_its_owner_closes_it_and_with_a_fresh_login(alice, choir):
    bob = factories.browser(User.objects.get(email="bob@example.com"))
    address = f"/api/v1/workspaces/{choir.pk}"
    assert bob.delete(address).json()["code"] == "permission_denied"
    token = factories.api(factories.token(alice, workspace=choir))
    assert token.delete(address).json()["code"] == "fresh_login_required"
    assert token.post(f"{address}/reopen").json()["code"] == "fresh_login_required"
    own = f"/api/v1/workspaces/{factories.workspace(alice).pk}"
    refused = factories.browser(alice).delete(own)
    assert (refused.status_code, refused.json()["code"]) == (409, "personal_workspace")
    assert not Workspace.objects.exclude(closed_at=None).exists()


def test_a_closed_workspace_does_not_count_until_it_is_reopened(alice, choir):
    factories.team(alice)
    owner = factories.browser(alice)
    address = f"/api/v1/workspaces/{choir.pk}"
    assert owner.post("/api/v1/workspaces", {"name": "4"}, JSON).status_code == 409
    owner.delete(address)
    assert owner.post("/api/v1/workspaces", {"name": "4"}, JSON).status_code == 201

    refused = owner.post(f"{address}/reopen")

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_workspaces")
    choir.refresh_from_db()
    assert choir.closed_at


def test_a_workspace_can_not_be_reopened_after_7_days(alice, choir):
    owner = factories.browser(alice)
    owner.delete(f"/api/v1/workspaces/{choir.pk}")
    age(choir, WEEK)
    assert owner.post(f"/api/v1/workspaces/{choir.pk}/reopen").status_code == 404


def test_invitations_to_closed_workspaces_are_not_found(alice, choir):
    carol = factories.user("carol@example.com")
    membership = Membership.objects.get(user=alice, workspace=choir)
    with transaction.atomic():
        invitation = teams.invite(membership, carol.email, "member")
        teams.close(membership)
    client = factories.browser(carol)
    assert client.get("/api/v1/me/invitations").json()["results"] == []
    answer = client.post(f"/api/v1/me/invitations/{invitation.pk}")
    assert answer.status_code == 404
    assert not Membership.objects.filter(user=carol, workspace=choir).exists()


def test_the_database_keeps_what_is_built_in_open():
    factories.guest()
    guests = Workspace.objects.filter(kind="guests")
    with pytest.raises(IntegrityError, match="built_in_workspaces_stay_open"):
        guests.update(closed_at=timezone.now())


# --- The pages and the back office ---------------------------------------------------


def test_closing_by_page(alice):
    client = factories.browser(alice)
    page = client.get("/settings/account").content.decode()
    assert "alice@example.com" in page

    wrong = client.post("/settings/account/close", {"word": "no"}, follow=True)
    assert "Type the word close to close your account." in wrong.content.decode()
    assert closed_at(alice) is None

    done = client.post("/settings/account/close", {"word": " Close "}, follow=True)
    assert done.redirect_chain[-1][0] == "/"
    assert "Your account is closed." in done.content.decode()
    assert closed_at(alice)
    assert client.get("/settings/account").status_code == 302


def test_an_old_login_is_sent_to_log_in_again(alice):
    client = factories.browser(alice)
    session = client.session
    session["logged_in_at"] -= 901
    session.save()
    assert (
        "Log in again to close it" in client.get("/settings/account").content.decode()
    )
    answer = client.post("/settings/account/close", {"word": "close"})
    assert answer["Location"] == "/login?next=%2Fsettings%2Faccount"
    assert closed_at(alice) is None


def test_teams_are_closed_and_opened_by_page(alice, choir):
    client = factories.browser(alice)
    body = {"workspace": str(choir.pk)}
    closed = client.post("/settings/team/close", body, follow=True).content.decode()
    assert "Choir is closed." in closed
    assert "Removed for good on" in closed
    opened = client.post("/settings/team/reopen", body, follow=True).content.decode()
    assert "Choir is open again." in opened
    assert "Removed for good on" not in opened


def test_operators_close_and_open(alice):
    office = factories.browser(
        factories.user("root@example.com", is_staff=True, is_superuser=True)
    )

    def run(action):
        office.post(
            reverse("admin:accounts_user_changelist"),
            {"action": action, "_selected_action": str(alice.pk), "reason": "asked"},
        )
        alice.refresh_from_db()

    run("close")
    assert alice.closed_at
    run("reopen")
    assert alice.closed_at is None
    entries = AuditEntry.objects.order_by("pk").values_list("action", "reason")
    assert list(entries) == [("Closed.", "asked"), ("Reopened.", "asked")]


def test_an_action_without_a_reason_is_refused(alice):
    office = factories.browser(
        factories.user("root@example.com", is_staff=True, is_superuser=True)
    )
    answer = office.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "close", "_selected_action": str(alice.pk), "reason": " "},
        follow=True,
    )
    assert "Enter a reason." in answer.content.decode()
    assert closed_at(alice) is None
    assert not AuditEntry.objects.exists()


def test_closing_an_account_invalidates_its_tokens_in_teams(alice, choir):
    bob = User.objects.get(email="bob@example.com")
    text = factories.token(bob, workspace=choir)
    close(bob)
    with pytest.raises(InvalidToken):
        tokens.find(text)
    assert ApiToken.objects.get().revoked_at is None
