"""Columns that were changed in the database are rebuilt from the entries."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts.models import AuditEntry
from billing import ledger
from billing.errors import LedgerBroken
from billing.ledger import Difference
from billing.models import Reservation, Wallet
from tests.billing.factories import (
    adjust,
    capture,
    expire,
    grant,
    lapse,
    nothing_changes,
    refund,
    release,
    reserve,
    reverse,
    violations,
    wallet,
    without_guards,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def used() -> Wallet:
    """A wallet with a posting of every kind."""
    w = wallet(("promo", 50), ("allowance", 40))
    grant(w, 100, source="buy")
    reserve(w, 130)
    capture(60)
    refund("buy", 100)
    release()
    reverse("buy")
    reserve(w, 20, key="job:1:2")
    lapse(w.lots.get(kind="promo"))
    expire(w.lots.get(kind="promo"))
    adjust(w, -500, allow_debt=True)
    adjust(w, 30, key="up")
    assert violations() == {}
    return w


def rebuild(w: Wallet) -> list[Difference]:
    with transaction.atomic():
        return ledger.rebuild(w.pk)


def test_correct_wallet_is_not_changed(used):
    with nothing_changes(used):
        assert rebuild(used) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE billing_wallet SET available = available + 7, granted = granted + 7",
        "UPDATE billing_wallet SET debt = debt + 7, granted = granted - 7",
        "UPDATE billing_wallet SET consumed = consumed + 7, granted = granted + 7",
        "UPDATE billing_wallet SET seq = 1",
        "UPDATE billing_lot SET granted = granted + 7, consumed = consumed + 7",
        "UPDATE billing_lot SET available = reserved, reserved = available",
        "UPDATE billing_lot SET expired = expired + 1, consumed = consumed - 1"
        " WHERE consumed > 0",
        "UPDATE billing_lot SET revoked = 0, available = available + revoked,"
        " repaid = 0, consumed = consumed + repaid WHERE consumed + repaid >= 0",
        "UPDATE billing_reservation SET captured = 0",
        "UPDATE billing_reservation SET captured = released, released = captured",
    ],
)
def test_damaged_columns_are_corrected(used, damage):
    other = wallet(("pack", 5))
    with without_guards() as cursor:
        cursor.execute(damage)
    assert violations() != {}
    with nothing_changes(other):
        found = rebuild(used)
    assert found
    assert all(one.stored != one.derived for one in found)
    rebuild(other)
    assert violations() == {}
    assert rebuild(used) == []


def test_differences_are_returned(used):
    right = Reservation.objects.get(key="job:1:1")
    with without_guards() as cursor:
        cursor.execute(
            "UPDATE billing_reservation SET captured = 1 WHERE key = 'job:1:1'"
        )
    assert rebuild(used) == [
        Difference(f"reservation {right.pk}", "captured", 1, right.captured)
    ]


def test_unbalanced_entries_rebuild_nothing(used):
    with without_guards() as cursor:
        cursor.execute("DELETE FROM billing_ledgerentry WHERE bucket = 'usage'")
        cursor.execute("UPDATE billing_wallet SET seq = 1")
    with nothing_changes(used), pytest.raises(LedgerBroken):
        rebuild(used)


def test_impossible_entries_rebuild_nothing(used):
    """They sum to zero, but would make a lot negative."""
    pack = used.lots.get(source="buy")
    with without_guards() as cursor:
        for sign, bucket in ((-1, "available"), (1, "usage")):
            cursor.execute(
                "UPDATE billing_ledgerentry SET amount = amount + %s WHERE id ="
                " (SELECT id FROM billing_ledgerentry WHERE wallet_id = %s"
                "  AND bucket = %s ORDER BY seq LIMIT 1)",
                [sign * 10_000, used.pk, bucket],
            )
    with nothing_changes(used), pytest.raises(LedgerBroken):
        rebuild(used)
    assert pack == used.lots.get(source="buy")


def test_command_repairs_and_writes_an_audit_record(used):
    with without_guards() as cursor:
        cursor.execute("UPDATE billing_wallet SET seq = 1")
    last = used.transactions.count()
    out = StringIO()
    call_command(
        "rebuild_wallet", str(used.pk), "--reason", "A bad restore", stdout=out
    )
    assert out.getvalue() == (
        f"wallet {used.pk}: seq was 1, is {last}\n1 differences\n"
    )
    entry = AuditEntry.objects.get(action="rebuilt")
    assert (entry.object_id, entry.reason) == (str(used.pk), "A bad restore")
    assert entry.after == {
        "differences": [
            {"row": f"wallet {used.pk}", "column": "seq", "stored": 1, "derived": last}
        ]
    }


def test_command_writes_no_audit_record_for_a_correct_wallet(used):
    out = StringIO()
    call_command("rebuild_wallet", str(used.pk), stdout=out)
    assert out.getvalue() == "0 differences\n"
    assert not AuditEntry.objects.exists()


def test_command_shows_errors_in_one_line():
    with pytest.raises(CommandError, match="wallet 999999"):
        call_command("rebuild_wallet", "999999")
