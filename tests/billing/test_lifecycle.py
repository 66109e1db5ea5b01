import pytest

from accounts.models import User, Workspace
from billing import lifecycle
from billing.models import LedgerTransaction, Lot, Wallet
from tests import factories

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


def test_opening_again_gives_nothing_more():
    user = factories.user()
    workspace = factories.workspace(user)
    lifecycle.opened(workspace, user)
    assert LedgerTransaction.objects.count() == 2


@pytest.mark.parametrize("kind", [Workspace.Kind.TEAM, Workspace.Kind.GUESTS])
def test_other_workspaces_get_wallets_alone(kind):
    user = User.objects.create(email="somebody@example.com")
    workspace = Workspace.objects.create(name="Test", kind=kind)
    lifecycle.opened(workspace, user)
    assert [w.available for w in Wallet.objects.filter(workspace=workspace)] == [0, 0]


def test_a_workspace_that_nobody_signed_up_for_gets_nothing():
    workspace = Workspace.objects.create(name="Test")
    lifecycle.opened(workspace)
    assert [w.available for w in Wallet.objects.filter(workspace=workspace)] == [0, 0]
