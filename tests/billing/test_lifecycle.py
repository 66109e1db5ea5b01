import pytest

from accounts.models import Workspace
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


def test_a_workspace_with_which_no_grant_comes_gets_wallets_alone():
    workspace = Workspace.objects.create(name="Test")
    lifecycle.opened(workspace)
    assert [w.available for w in Wallet.objects.filter(workspace=workspace)] == [0, 0]
