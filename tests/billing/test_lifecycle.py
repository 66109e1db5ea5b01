import pytest

from accounts.lifecycle import Scope, Table
from accounts.models import Workspace
from billing import lifecycle
from billing.models import LedgerTransaction, Lot, Wallet
from tests import factories
from tests.billing.reports.test_history import spoken
from tests.billing.subscribers import FREE, limits, start, subscriber

pytestmark = pytest.mark.django_db


def test_a_new_user_has_credits_in_each_environment():
    user = factories.user()
    workspace = factories.workspace(user)
    assert sorted(
        Wallet.objects.filter(workspace=workspace).values_list(
            "environment", "available"
        )
    ) == [("PRODUCTION", 5000), ("SANDBOX", 5000)]
    for lot in Lot.objects.filter(wallet__workspace=workspace):
        assert (lot.kind, lot.source, lot.expires_at) == (
            "promo",
            f"signup:{user.pk}",
            None,
        )
    assert set(LedgerTransaction.objects.values_list("kind", "key", "reason")) == {
        ("grant", f"signup:{user.pk}", "Sign-up")
    }


def test_opening_again_grants_nothing():
    user = factories.user()
    workspace = factories.workspace(user)
    lifecycle.opened(workspace, user)
    assert LedgerTransaction.objects.count() == 2


def test_workspace_without_a_user_gets_empty_wallets():
    workspace = Workspace.objects.create(name="Test")
    lifecycle.opened(workspace)
    assert [w.available for w in Wallet.objects.filter(workspace=workspace)] == [0, 0]


def test_export_has_usage_and_purchases():
    workspace = subscriber()
    ada = workspace.memberships.get().user
    bob = factories.user("bob@example.com")
    start(workspace)
    for person, characters in ((ada, 10), (bob, 20)):
        spoken(workspace, 2, characters, user_id=person.pk)
    archive = {
        part.name: list(part.rows)
        for part in lifecycle.export(Scope(workspace, environment="PRODUCTION"))
        if isinstance(part, Table)
    }
    assert sorted(archive) == [
        "credits-production.json",
        "orders-production.json",
        "plans-production.json",
        "purchases-production.json",
        "usage-production.json",
    ]
    assert [row["characters"] for row in archive["usage-production.json"]] == [10, 20]
    (plan,) = archive["plans-production.json"]
    assert (plan["plan__key"], plan["status"]) == ("plus", "active")
    (own,) = lifecycle.export(Scope(workspace, person=bob, environment="PRODUCTION"))
    assert isinstance(own, Table)
    assert [row["characters"] for row in own.rows] == [20]


@pytest.mark.django_db(transaction=True)
def test_deleted_workspace_has_no_plan():
    workspace = subscriber()
    start(workspace)
    start(workspace, environment="SANDBOX", external_id="sub_2")
    for _ in range(2):
        lifecycle.purge(workspace)
    assert limits(workspace) == FREE
    assert [s.status for s in workspace.subscriptions.all()] == ["canceled"] * 2
