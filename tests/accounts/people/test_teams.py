"""Concurrent changes of members."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from accounts import tokens
from accounts.errors import InvalidToken, NotAllowed, OwnerStays
from accounts.models import ApiToken, Invitation, Membership, User
from accounts.people import blocking, closing, teams
from kit.errors import NotFound
from tests import factories
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice():
    return factories.user("alice@example.com")


@pytest.fixture
def bob():
    return factories.user("bob@example.com")


@pytest.fixture
def team(alice, bob):
    return factories.team(alice, bob)


def membership(person, workspace) -> Membership:
    return Membership.objects.select_related("workspace").get(
        user=person, workspace=workspace
    )


def meanwhile(action: Callable[[], object]) -> threading.Thread:
    """Start `action` in a thread; return once it has ended or waits for our lock."""

    def run() -> None:
        try:
            with transaction.atomic():
                action()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted"
    deadline = time.monotonic() + 10
    while thread.is_alive() and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(waits)
            if cursor.fetchone():
                break
        time.sleep(0.01)
    return thread


def test_a_token_created_during_the_removal_of_its_creator_is_revoked(
    alice, bob, team
) -> None:
    owner = membership(alice, team)
    with transaction.atomic():
        _, text = tokens.issue(team, bob, name="Late")
        removal = meanwhile(lambda: teams.remove(owner, bob.pk))
    removal.join()

    assert ApiToken.objects.get(name="Late").revoked_at is not None
    Membership.objects.create(user=bob, workspace=team)  # back again, some day
    with pytest.raises(InvalidToken):
        tokens.find(text)


def test_no_token_is_created_while_its_creator_is_removed(alice, bob, team) -> None:
    refused = []

    def issue() -> None:
        with pytest.raises(NotFound):
            tokens.issue(team, bob, name="Late")
        refused.append(True)

    with transaction.atomic():
        teams.remove(membership(alice, team), bob.pk)
        issuing = meanwhile(issue)
    issuing.join()

    assert refused == [True]
    assert not ApiToken.objects.exists()


def test_no_token_is_created_after_leaving_the_workspace(alice, bob, team):
    with transaction.atomic():
        teams.remove(membership(alice, team), bob.pk)

    with pytest.raises(NotFound):
        tokens.issue(team, bob, name="Late")
    assert not ApiToken.objects.exists()


def test_a_member_removed_or_demoted_meanwhile_can_not_invite(alice, bob, team) -> None:
    with transaction.atomic():
        teams.change_role(membership(alice, team), bob.pk, "admin")
    before = membership(bob, team)  # as a request has read it
    with transaction.atomic():
        teams.change_role(membership(alice, team), bob.pk, "member")
    with pytest.raises(NotAllowed), transaction.atomic():
        teams.invite(before, "friend@example.com", "member")
    with transaction.atomic():
        teams.remove(membership(alice, team), bob.pk)
    with pytest.raises(NotFound), transaction.atomic():
        teams.invite(before, "friend@example.com", "member")

    assert not Invitation.objects.exists()


def test_a_concurrent_hand_over_and_leave_keep_one_owner(alice, bob, team) -> None:
    actions = [
        lambda: teams.change_role(membership(alice, team), bob.pk, "owner"),
        lambda: teams.remove(membership(bob, team), bob.pk),
    ]

    def action() -> str:
        try:
            with transaction.atomic():
                actions.pop()()
        except (NotFound, Membership.DoesNotExist, OwnerStays) as error:
            return type(error).__name__
        return "done"

    outcomes = in_threads(2, action)

    assert outcomes.count("done") == 1
    owners = Membership.objects.filter(workspace=team, role="owner")
    assert owners.count() == 1


def _invited(by, workspace, role="member") -> User:
    """Return someone who was invited by a member."""
    person = factories.user()
    with transaction.atomic():
        teams.invite(membership(by, workspace), person.email, role)
    return person


def _may_join(person) -> bool:
    rows = list(teams.invitations_to(person))
    try:
        with transaction.atomic():
            for row in rows:
                teams.accept(person, row.pk)
    except NotFound:
        return False
    return bool(rows)


@pytest.mark.parametrize("end", ["removed", "left", "demoted", "blocked", "closed"])
def test_invitations_end_with_the_right_to_invite(alice, bob, team, end) -> None:
    Membership.objects.filter(user=bob, workspace=team).update(role="admin")
    owners, admins = _invited(alice, team), _invited(bob, team)
    with transaction.atomic():
        if end == "removed":
            teams.remove(membership(alice, team), bob.pk)
        elif end == "left":
            teams.remove(membership(bob, team), bob.pk)
        elif end == "demoted":
            teams.change_role(membership(alice, team), bob.pk, "member")
        elif end == "blocked":
            blocking.block(bob)
        else:
            closing.close(bob)

    assert not _may_join(admins)
    assert _may_join(owners)
    assert not Membership.objects.filter(user=admins, workspace=team).exists()


def test_a_hand_over_withdraws_what_an_admin_may_not_invite(alice, bob, team) -> None:
    admin, member = _invited(alice, team, "admin"), _invited(alice, team)
    with transaction.atomic():
        teams.change_role(membership(alice, team), bob.pk, "owner")

    assert not _may_join(admin)
    assert _may_join(member)
