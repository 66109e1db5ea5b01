"""Members that come and go while something else is under way."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from accounts import tokens
from accounts.errors import InvalidToken, NotAllowed, OwnerStays
from accounts.models import ApiToken, Invitation, Membership
from accounts.people import teams
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
    """Start `action` in a thread; return once it has ended, or waits for a lock of ours."""

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


def test_a_token_that_is_made_while_one_is_removed_ends_too(alice, bob, team) -> None:
    owner = membership(alice, team)
    with transaction.atomic():
        _, text = tokens.issue(team, bob, name="Late")
        removal = meanwhile(lambda: teams.remove(owner, bob.pk))
    removal.join()

    assert ApiToken.objects.get(name="Late").revoked_at is not None
    Membership.objects.create(user=bob, workspace=team)  # back again, some day
    with pytest.raises(InvalidToken):
        tokens.find(text)


def test_a_token_is_not_made_once_one_is_being_removed(alice, bob, team) -> None:
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


def test_nobody_makes_a_token_for_a_workspace_that_they_have_left(alice, bob, team):
    with transaction.atomic():
        teams.remove(membership(alice, team), bob.pk)

    with pytest.raises(NotFound):
        tokens.issue(team, bob, name="Late")
    assert not ApiToken.objects.exists()


def test_who_is_removed_or_demoted_meanwhile_invites_nobody(alice, bob, team) -> None:
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


def test_handing_over_while_the_heir_leaves_keeps_one_owner(alice, bob, team) -> None:
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
