"""Every invariant detects damage that is done in the database."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from billing.ledger.invariants import every, verify
from tests.billing.factories import (
    capture,
    grant,
    lapse,
    release,
    reserve,
    violations,
    wallet,
    without_guards,
)
from tests.cases import cases

pytestmark = pytest.mark.django_db(transaction=True)

# Damage to the tables, and the invariants that detect it. Checks can't be turned off, so
# some damage has to satisfy them.
DAMAGE = {
    "an entry is gone": (
        "DELETE FROM billing_ledgerentry WHERE bucket = 'usage'",
        {"I1": 1, "I2": 1, "I3": 1, "I4": 1, "I6": 1, "I13": 1},
    ),
    "a transaction lost its entries": (
        "DELETE FROM billing_ledgerentry WHERE transaction_id ="
        " (SELECT id FROM billing_ledgertransaction WHERE kind = 'capture')",
        {"I1": 1, "I3": 1, "I4": 1, "I6": 1, "I13": 1},
    ),
    "an amount was edited": (
        "UPDATE billing_ledgerentry SET amount = amount - 1 WHERE bucket = 'funding'"
        " AND seq = 1",
        {"I1": 1, "I2": 1, "I3": 1, "I4": 1, "I13": 1},
    ),
    "two errors cancel out": (
        "UPDATE billing_ledgerentry SET amount = amount + 1"
        " WHERE bucket = 'available' AND seq = 1;"
        "UPDATE billing_ledgerentry SET amount = amount - 1"
        " WHERE bucket = 'available' AND seq = 2",
        {"I1": 2, "I3": 2, "I4": 2, "I13": 2},
    ),
    "a balance along the way is wrong": (
        "UPDATE billing_ledgerentry SET balance_after = balance_after + 1"
        " WHERE seq = 4 AND bucket = 'reserved'",
        {"I3": 1, "I13": 1},
    ),
    "a wallet was given credits": (
        "UPDATE billing_wallet SET available = available + 1, granted = granted + 1",
        {"I3": 1, "I5": 1},
    ),
    "a wallet holds too much": (
        "UPDATE billing_wallet SET reserved = reserved + 1, available = available - 1",
        {"I3": 1, "I5": 1, "I6": 1},
    ),
    "a lot was given credits": (
        "UPDATE billing_lot SET available = available + 1, granted = granted + 1"
        " WHERE kind = 'pack'",
        {"I4": 1, "I5": 1},
    ),
    "credits changed their lot": (
        "UPDATE billing_lot SET reserved = reserved + 1, available = available - 1"
        " WHERE kind = 'pack';"
        "UPDATE billing_lot SET reserved = reserved - 1, available = available + 1"
        " WHERE kind = 'promo'",
        {"I4": 2, "I6": 2},
    ),
    "a reservation forgot a capture": (
        "UPDATE billing_reservation SET captured = captured - 1 WHERE key = 'job:1:1'",
        {"I6": 3},
    ),
    "a slice is gone": (
        "DELETE FROM billing_reservationslice WHERE ordinal = 2",
        {"I6": 2, "I14": 1},
    ),
    "a number was skipped": (
        "UPDATE billing_ledgertransaction SET seq = 99 WHERE kind = 'capture'",
        {"I7": 1, "I11": 2, "I13": 3},
    ),
    "a wallet forgot its number": ("UPDATE billing_wallet SET seq = 1", {"I7": 1}),
    "a key counted twice": (
        "ALTER TABLE billing_ledgertransaction DROP CONSTRAINT ledger_transaction_once;"
        "UPDATE billing_ledgertransaction SET key = 'x' WHERE seq IN (1, 2)",
        {"I8": 1, "I13": 2},
    ),
    "more was taken back than was granted": (
        "ALTER TABLE billing_lot DROP CONSTRAINT lot_revoked_within;"
        "UPDATE billing_lot SET revoked = 101, repaid = -101 WHERE kind = 'pack'",
        {"I4": 1, "I9": 1},
    ),
    "a lot was drawn that had not begun": (
        "UPDATE billing_lot SET effective_at = now() + interval '1 hour'"
        " WHERE kind = 'pack'",
        {"I10": 2, "I13": 1},
    ),
    "a lot was drawn that had ended": (
        "UPDATE billing_lot SET expires_at = effective_at WHERE kind = 'promo'",
        {"I10": 1},
    ),
    "a posting is in the other environment": (
        "UPDATE billing_ledgertransaction SET environment = 'SANDBOX'"
        " WHERE kind = 'capture'",
        {"I11": 3, "I13": 1},
    ),
    "a lot is in the other environment": (
        "UPDATE billing_lot SET environment = 'SANDBOX' WHERE kind = 'promo'",
        {"I11": 6},
    ),
    "a lot came from nowhere": (
        "UPDATE billing_ledgertransaction SET kind = 'refund' WHERE seq = 1",
        {"I12": 1, "I13": 1},
    ),
    "a grant passes for a reversal": (
        "UPDATE billing_ledgertransaction SET kind = 'reverse' WHERE seq = 1",
        {"I12": 1, "I13": 1},
    ),
    "an adjustment has no author": (
        "ALTER TABLE billing_ledgertransaction"
        " DROP CONSTRAINT ledger_transaction_adjust_explained;"
        "UPDATE billing_ledgertransaction SET kind = 'adjust' WHERE kind = 'capture'",
        {"I12": 1, "I13": 1},
    ),
}

# Damage that leaves every sum as it was, done to `spent`.
PLANTED = {
    "a closed reservation's slice is in another wallet's lot": (
        "UPDATE billing_reservationslice SET lot_id = other.id"
        " FROM billing_lot AS other, billing_reservation AS closed"
        " WHERE other.source = 'theirs' AND closed.key = 'closed'"
        " AND reservation_id = closed.id",
        {"I14": 1},
    ),
    "slices of an uncaptured reservation were swapped": (
        "UPDATE billing_reservationslice SET ordinal = 9 - ordinal"
        " FROM billing_reservation AS open"
        " WHERE open.key = 'open' AND reservation_id = open.id",
        {"I14": 1},
    ),
    "a closed reservation is gone with its slices": (
        "DELETE FROM billing_reservationslice USING billing_reservation AS closed"
        " WHERE closed.key = 'closed' AND reservation_id = closed.id;"
        "DELETE FROM billing_reservation WHERE key = 'closed'",
        {"I13": 1, "I14": 1},
    ),
    "a reservation is of another job": (
        "UPDATE billing_reservation SET job = 'another' WHERE key = 'closed'",
        {"I13": 1},
    ),
    "a lot's kind was changed": (
        "UPDATE billing_lot SET kind = 'promo' WHERE kind = 'allowance'",
        {"I13": 1},
    ),
    "a lot is drawn in another order": (
        "UPDATE billing_lot SET priority = 1 WHERE source = 'theirs'",
        {"I13": 1},
    ),
    "an allowance lasts longer": (
        "UPDATE billing_lot SET expires_at = expires_at + interval '40 days'"
        " WHERE kind = 'allowance'",
        {"I13": 1},
    ),
    "a lot comes from another purchase": (
        "UPDATE billing_lot SET source = 'invented' WHERE source = 'theirs'",
        {"I13": 1},
    ),
    "a reason was rewritten": (
        "UPDATE billing_ledgertransaction SET reason = 'A gift' WHERE seq = 1",
        {"I13": 2},
    ),
    "two postings changed their times": (
        "UPDATE billing_ledgertransaction AS here SET created_at = there.created_at"
        " FROM billing_ledgertransaction AS there"
        " WHERE here.key IN ('reserve:closed', 'take') AND here.id <> there.id"
        " AND there.key IN ('reserve:closed', 'take')",
        {"I13": 2},
    ),
} | {
    f"a {table} was moved by 40 days": (
        f"UPDATE billing_{table} SET created_at = created_at {sign} interval '40 days'"
        f" WHERE {which}",
        noticed,
    )
    for table, sign, which, noticed in (
        ("ledgertransaction", "-", "key = 'take'", {"I13": 1}),
        ("lot", "-", "kind = 'allowance'", {"I13": 1}),
        ("reservation", "+", "key = 'closed'", {"I10": 1, "I13": 1}),
    )
}


@pytest.fixture
def spent():
    other = wallet()
    grant(other, 50, source="theirs", key="theirs")
    mine = wallet(("allowance", 30), ("promo", 40))
    reserve(mine, 10, key="closed")
    capture(10, "take", "closed")
    reserve(mine, 50, key="open")
    return mine


@pytest.fixture
def used():
    w = wallet(("promo", 50), ("pack", 100))
    reserve(w, 70)
    capture(30)
    reserve(w, 20, key="job:1:2")
    lapse(w.lots.get(kind="promo"))
    release("job:1:2")
    return w


def test_valid_ledger_has_no_violations(used):
    assert violations() == {}
    assert [result.invariant.name for result in verify()] == [
        f"I{number}" for number in range(1, 18)
    ]


def test_empty_ledger_has_no_violations():
    assert violations() == {}


def test_damage_is_detected(used):
    for damage, case in cases(DAMAGE):
        statement, noticed = DAMAGE[damage]
        with case, without_guards() as cursor:
            cursor.execute(statement)
            assert violations() == noticed
            transaction.set_rollback(True)
        assert violations() == {}


def test_planted_damage_is_detected(spent):
    assert violations() == {}
    for damage, case in cases(PLANTED):
        statement, noticed = PLANTED[damage]
        with case, without_guards() as cursor:
            cursor.execute(statement)
            assert violations() == noticed
            transaction.set_rollback(True)
        assert violations() == {}


def test_the_command_prints_every_invariant(used):
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [
        [invariant.name, "0"] for invariant in every()
    ]


def test_the_command_fails_on_any_violation(used):
    out = StringIO()
    with without_guards() as cursor:
        cursor.execute(DAMAGE["a wallet forgot its number"][0])
    with pytest.raises(SystemExit) as stop:
        call_command("verify_ledger", stdout=out)
    assert stop.value.code == 1
    counts = dict(line.split()[:2] for line in out.getvalue().splitlines())
    assert counts.pop("I7") == "1"
    assert set(counts.values()) == {"0"}
