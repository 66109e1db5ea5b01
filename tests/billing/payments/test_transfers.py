"""Purchases that an app store has moved to another customer are moved, not doubled."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from billing.ledger.wallets import wallet_of
from billing.models import InboxEvent
from billing.payments import inbox
from tests.billing import factories
from tests.billing.payments.app_stores import (
    ANA,
    AUTH,
    BEN,
    balance,
    event,
    home,
    plan_event,
    report,
    standing,
    told,
    transfer,
)
from tests.billing.payments.counterparts import due
from tests.billing.payments.paying import events, granted, process, send
from tests.threads import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]


@pytest.fixture(autouse=True)
def header(settings):
    settings.REVENUECAT_WEBHOOK_AUTH = AUTH


def test_a_transfer_moves_the_plan_and_what_is_left_and_doubles_nothing():
    report(event("NON_RENEWING_PURCHASE", ANA, "4000000001"))
    report(plan_event("INITIAL_PURCHASE", ANA))
    report(event("NON_RENEWING_PURCHASE", BEN, "4000000002"))
    ana, ben = home(ANA), home(BEN)
    factories.reserve(wallet_of(ana, "PRODUCTION"), 910_000)
    factories.capture(905_000)  # 5,000 of the pack are spent, 5,000 stay reserved
    moved = transfer([ANA], [BEN])
    report(moved, copies=3)
    report(transfer([ANA], [BEN]))
    assert balance(ana) == (0, 0)
    assert balance(ben) == (25_000 + 15_000, 0)
    assert standing(ana) == []
    assert standing(ben) == [("plus", "active", False)]
    ana.refresh_from_db()
    ben.refresh_from_db()
    assert (ana.tier, ben.tier) == ("free", "paid")
    assert factories.violations() == {}
    audited = AuditEntry.objects.filter(action="Transfer of purchases")
    assert {row.object_id for row in audited} == {str(ana.pk), str(ben.pk)}
    # The next month is the new owner's, whoever is named.
    report(plan_event("RENEWAL", ANA, 1))
    assert granted(ana)[-1] == ("allowance", 900_000)
    # A refund of the purchase finds what was moved; what was spent is owed by the spender.
    report(event("REFUND", ANA, "4000000001"))
    assert balance(ana) == (0, 10_000)
    assert balance(ben)[1] == 0
    assert balance(ben)[0] % 900_000 == 25_000
    assert factories.violations() == {}


def test_a_transfer_back_and_forth_keeps_the_sum():
    report(event("NON_RENEWING_PURCHASE", ANA))
    report(event("NON_RENEWING_PURCHASE", BEN, "2000000002"))
    for sources, targets in ((ANA, BEN), (BEN, ANA), (ANA, BEN)):
        report(transfer([sources], [targets], environment="PRODUCTION"))
    assert (balance(home(ANA)), balance(home(BEN))) == ((0, 0), (50_000, 0))
    report(event("REFUND", BEN), event("REFUND", BEN, "2000000002"))
    assert (balance(home(ANA)), balance(home(BEN))) == ((0, 0), (0, 0))
    assert factories.violations() == {}


def test_transfers_both_ways_at_once_do_not_wait_for_each_other():
    report(event("NON_RENEWING_PURCHASE", ANA))
    report(event("NON_RENEWING_PURCHASE", BEN, "2000000002"))
    for sources, targets in ((ANA, BEN), (BEN, ANA)) * 4:
        send(told(transfer([sources], [targets])), "revenuecat")
    in_threads(4, process)
    due()
    process()
    assert [row[0] for row in events()] == ["completed"] * 10
    assert balance(home(ANA))[0] + balance(home(BEN))[0] == 50_000
    assert factories.violations() == {}


def test_a_transfer_in_the_sandbox_moves_nothing_in_production():
    report(event("NON_RENEWING_PURCHASE", ANA))
    report(event("NON_RENEWING_PURCHASE", BEN, environment="SANDBOX"))
    report(transfer([ANA], [BEN], environment="SANDBOX"))
    assert balance(home(ANA)) == (25_000, 0)
    report(transfer([BEN], [ANA], environment="SANDBOX"))
    assert balance(home(ANA), "SANDBOX") == (25_000, 0)


def test_a_transfer_to_somebody_unknown_waits_until_they_are_known():
    report(event("NON_RENEWING_PURCHASE", ANA))
    report(transfer([ANA], [BEN]))
    waiting = f"{BEN} was not reported yet."
    assert events()[1] == ("queued", "", waiting)
    assert balance(home(ANA)) == (25_000, 0)
    report(event("NON_RENEWING_PURCHASE", BEN, "2000000002"))
    process()
    assert (balance(home(ANA)), balance(home(BEN))) == ((0, 0), (50_000, 0))


def test_a_transfer_to_somebody_who_stays_unknown_is_left_to_an_operator():
    report(event("NON_RENEWING_PURCHASE", ANA))
    report(transfer([ANA], [BEN]))
    long_ago = timezone.now() - inbox.WAITS - timedelta(minutes=1)
    InboxEvent.objects.update(received_at=long_ago)
    due()
    process()
    assert events()[1] == ("failed", "", f"{BEN} was not reported yet.")
    assert balance(home(ANA)) == (25_000, 0)


def test_a_transfer_from_somebody_unknown_moves_nothing():
    report(event("NON_RENEWING_PURCHASE", ANA))
    report(transfer([BEN], [ANA]))
    reason = "Those who had the purchases are unknown here."
    assert events()[1] == ("completed", f"ignored: {reason}", "")
