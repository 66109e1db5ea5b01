"""What plain members of a workspace see of its credits: what they used themselves."""

from typing import Any

import pytest
from django.db import transaction

from accounts.models import Membership, User, Workspace
from billing import events as billing_events
from billing.ledger import corrections
from billing.ledger.wallets import wallet_of
from tests import factories
from tests.billing.factories import capture, grant, release, reserve
from tests.webhooks import factories as hooks
from webhooks import emit
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

SECRETS = ["Bought for ada", "operators' reason", "job-of-ada", "T-1", "8,100"]
"""Of the history below: a grant, a correction, and what another member used."""


@pytest.fixture
def ada() -> User:
    return factories.user("ada@example.com")


@pytest.fixture
def bob() -> User:
    return factories.user("bob@example.com")


@pytest.fixture
def team(ada: User, bob: User) -> Workspace:
    """A team with a history: granted, used by both, and corrected by an operator."""
    shared = factories.team(ada, bob)
    wallet = wallet_of(shared, "PRODUCTION")
    hooks.endpoint(shared, events=["credits.granted", "credits.low"])
    grant(wallet, 8_100, reason="Bought for ada")
    for person, name in ((ada, "job-of-ada"), (bob, "job-of-bob")):
        key = f"job:{name}:1"
        reserve(wallet, 100, job=name, key=key, user_id=person.pk)
        capture(60, f"scene:{name}:1", key)
        release(key)
    with transaction.atomic():
        corrections.adjust(
            wallet,
            -5,
            key="adjust:1",
            actor="operator@example.com",
            reason="operators' reason",
            ticket="T-1",
        )
        emit.emit(shared.pk, billing_events.CREDITS_LOW, lambda: {"environment": None})
    return shared


def seen(person: User, team: Workspace, path: str) -> Any:
    return factories.api(factories.token(person, workspace=team)).get(path)


def test_members_see_only_what_they_used(ada, bob, team) -> None:
    def jobs(person: User) -> set[str | None]:
        answer = seen(person, team, "/api/v1/credits/entries").json()
        return {entry["job"] for entry in answer["results"]}

    assert jobs(ada) == {"job-of-ada", "job-of-bob", None}
    assert jobs(bob) == {"job-of-bob"}
    answer = seen(bob, team, "/api/v1/credits/entries").json()["results"]
    assert [(entry["kind"], entry["credits"]) for entry in answer] == [
        ("release", 40),
        ("release", -40),
        ("capture", -60),
        ("reserve", 100),
        ("reserve", -100),
    ]

    Membership.objects.filter(user=bob, workspace=team).update(role="admin")
    assert jobs(bob) == {"job-of-ada", "job-of-bob", None}


def test_no_answer_tells_members_of_others(ada, bob, team) -> None:
    """Every answer and page about credits, and the deliveries of their events."""
    routes = ["credits", "credits/entries", "usage", "usage/history", "deliveries"]
    routes += [
        f"deliveries/{key}" for key in Delivery.objects.values_list("pk", flat=True)
    ]
    texts = {
        person.email: "".join(
            seen(person, team, f"/api/v1/{route}").content.decode() for route in routes
        )
        for person in (ada, bob)
    }
    pages = {}
    for person in (ada, bob):
        person.preferences = {"workspace": str(team.pk)}
        person.save()
        browser = factories.browser(person)
        pages[person.email] = "".join(
            browser.get(page).content.decode()
            for page in ("/credits", "/usage", "/webhooks", "/deliveries")
        )

    assert Delivery.objects.count() == 2
    for name, shown in (("api", texts), ("pages", pages)):
        mine, others = shown[ada.email], shown[bob.email]
        told = [text for text in SECRETS if text in others]
        assert told == [], name
        assert "operators" in mine
        assert "job-of-bob" in others, name
    assert "credits.low" in texts[bob.email]
    assert "credits.granted" not in texts[bob.email].replace('"events"', "")
    assert "credits.granted" in texts[ada.email]
