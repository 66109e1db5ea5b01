"""The database refuses rows that the ledger would never write."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import LedgerEntry, LedgerTransaction, Lot, Reservation, Wallet
from kit.ids import new_id
from tests.billing.factories import (
    capture,
    grant,
    nothing_changes,
    reserve,
    violations,
    wallet,
)

pytestmark = pytest.mark.django_db(transaction=True)


def used_wallet() -> Wallet:
    w = wallet(("pack", 100))
    reserve(w, 30)
    capture(10)
    return w


def run(*statements: tuple[str, list[Any]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, parameters in statements:
            cursor.execute(statement, parameters)


def posting(w: Wallet, **fields: object) -> tuple[str, list[Any]]:
    values = {
        "id": new_id(),
        "wallet_id": w.pk,
        "environment": w.environment,
        "seq": LedgerTransaction.objects.filter(wallet=w).count() + 1,
        "kind": "grant",
        "key": "raw",
        "fingerprint": "",
        "reservation_id": None,
        "actor": "",
        "reason": "",
        "chain_hash": b"",
    } | fields
    return _insert("billing_ledgertransaction", values)


def entry(posted: object, w: Wallet, **fields: object) -> tuple[str, list[Any]]:
    values = {
        "id": new_id(),
        "transaction_id": posted,
        "wallet_id": w.pk,
        "seq": LedgerTransaction.objects.filter(wallet=w).count() + 1,
        "lot_id": w.lots.values_list("pk", flat=True).first(),
        "bucket": "available",
        "amount": 1,
        "balance_after": 0,
    } | fields
    return _insert("billing_ledgerentry", values)


def _insert(table: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    marks = ", ".join(["%s"] * len(values))
    return (
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",
        list(values.values()),
    )


def both(first: object, second: object, w: Wallet, seq: int, lot: int | None = None):
    """An entry of 5 for the first transaction and one of -5 for the second, at once."""
    lot = lot or w.lots.values_list("pk", flat=True).first()
    return (
        "INSERT INTO billing_ledgerentry (id, transaction_id, wallet_id, seq, lot_id,"
        " bucket, amount, balance_after) VALUES"
        " (%s, %s, %s, %s, %s, 'available', 5, 0), (%s, %s, %s, %s, %s, 'funding', -5, 0)",
        [new_id(), first, w.pk, seq, lot, new_id(), second, w.pk, seq, lot],
    )


@pytest.mark.parametrize("table", ["billing_ledgertransaction", "billing_ledgerentry"])
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE {table} SET seq = seq",
        "UPDATE {table} SET seq = 7 WHERE false",
        "DELETE FROM {table}",
        "DELETE FROM {table} WHERE false",
        "TRUNCATE {table} CASCADE",
        "TRUNCATE billing_wallet CASCADE",
        "MERGE INTO {table} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO {table} SELECT * FROM {table} LIMIT 1"
        " ON CONFLICT (id) DO UPDATE SET seq = 0",
    ],
)
def test_ledger_is_append_only(table, attack):
    w = used_wallet()
    with nothing_changes(w), pytest.raises(DatabaseError, match="append-only"):
        run((attack.format(table=table), []))


@pytest.mark.parametrize("model", [LedgerTransaction, LedgerEntry])
def test_orm_cannot_edit_the_ledger(model):
    w = used_wallet()
    row = model.objects.filter(wallet=w).first()
    with nothing_changes(w):
        with pytest.raises(IntegrityError, match="append-only"):
            row.save()
        with pytest.raises(IntegrityError, match="append-only"):
            model.objects.filter(wallet=w).update(seq=0)
        with pytest.raises(DatabaseError, match=r"append-only|protected"):
            LedgerEntry.objects.filter(wallet=w).delete()


def test_unbalanced_entries_are_refused():
    w = used_wallet()
    posted = new_id()
    with nothing_changes(w), pytest.raises(IntegrityError, match="unbalanced"):
        run(posting(w, id=posted), entry(posted, w, amount=5))


def test_a_transaction_without_entries_is_refused_at_commit():
    w = used_wallet()
    with nothing_changes(w), pytest.raises(IntegrityError, match="sum to zero"):
        run(posting(w))


def test_a_committed_transaction_can_not_be_unbalanced_later():
    w = used_wallet()
    old = LedgerTransaction.objects.get(wallet=w, seq=1)
    with nothing_changes(w), pytest.raises(IntegrityError, match="unbalanced"):
        run(entry(old.pk, w, seq=1, amount=5))


def test_entries_balance_in_each_transaction():
    w = used_wallet()
    first, second = LedgerTransaction.objects.filter(wallet=w)[:2]
    with nothing_changes(w), pytest.raises(IntegrityError, match="unbalanced"):
        run(both(first.pk, second.pk, w, 1))


def test_entries_belong_to_the_wallet_and_number_of_their_transaction():
    w, other = used_wallet(), wallet(("pack", 5))
    posted = LedgerTransaction.objects.get(wallet=w, seq=1)
    for attack in (
        both(posted.pk, posted.pk, other, 1),
        both(posted.pk, posted.pk, w, 2),
    ):
        with nothing_changes(w), pytest.raises(IntegrityError, match="misplaced"):
            run(attack)


def test_entries_need_their_transaction():
    w = used_wallet()
    posted = new_id()
    with nothing_changes(w), pytest.raises(IntegrityError, match="misplaced"):
        run(both(posted, posted, w, 4))


def test_entries_cannot_have_a_lot_of_another_environment():
    w = used_wallet()
    sandbox = wallet_of(w.workspace, "SANDBOX")
    grant(sandbox, 50)
    lot = sandbox.lots.get()
    posted = new_id()
    with nothing_changes(w), pytest.raises(IntegrityError, match="entry_of_lot"):
        run(posting(w, id=posted), both(posted, posted, w, 4, lot.pk))


def test_a_transaction_has_the_environment_of_its_wallet():
    w = used_wallet()
    with (
        nothing_changes(w),
        pytest.raises(IntegrityError, match="ledger_transaction_of_wallet"),
    ):
        run(posting(w, environment="SANDBOX"))


def test_a_transaction_has_a_reservation_of_its_wallet():
    w, other = used_wallet(), wallet(("pack", 5))
    reservation = Reservation.objects.get(wallet=w)
    with (
        nothing_changes(other),
        pytest.raises(IntegrityError, match="ledger_transaction_of_reservation"),
    ):
        run(posting(other, reservation_id=reservation.pk))


def test_a_lot_keeps_the_environment_of_its_wallet():
    w = used_wallet()
    sandbox = wallet_of(w.workspace, "SANDBOX")
    lot = w.lots.get()
    for change in ({"environment": "SANDBOX"}, {"wallet": sandbox}):
        with nothing_changes(w), pytest.raises(IntegrityError, match="lot"):
            Lot.objects.filter(pk=lot.pk).update(**change)


def test_a_lot_cannot_restore_a_lot_of_another_wallet():
    w = used_wallet()
    sandbox = wallet_of(w.workspace, "SANDBOX")
    grant(sandbox, 50)
    with nothing_changes(w), pytest.raises(IntegrityError, match="lot_restores"):
        Lot.objects.filter(wallet=w).update(restores=sandbox.lots.get())


def test_a_wallet_keeps_its_environment():
    w = used_wallet()
    with nothing_changes(w), pytest.raises(IntegrityError, match="lot_of_wallet"):
        Wallet.objects.filter(pk=w.pk).update(environment="SANDBOX")


def test_a_slice_cannot_have_a_lot_of_another_wallet():
    w, other = used_wallet(), wallet(("pack", 5))
    reservation = Reservation.objects.get(wallet=w)
    statement = (
        "INSERT INTO billing_reservationslice"
        " (wallet_id, reservation_id, lot_id, ordinal, amount) VALUES (%s, %s, %s, 9, 1)"
    )
    lot = other.lots.get()
    with pytest.raises(IntegrityError, match="slice_of_lot"):
        run((statement, [w.pk, reservation.pk, lot.pk]))
    with pytest.raises(IntegrityError, match="slice_of_reservation"):
        run((statement, [other.pk, reservation.pk, lot.pk]))


@pytest.mark.parametrize(
    ("model", "change", "constraint"),
    [
        (Wallet, {"available": -1, "granted": 29}, "wallet_not_negative"),
        (Wallet, {"available": 71}, "wallet_adds_up"),
        (Wallet, {"granted": 101}, "wallet_adds_up"),
        (Wallet, {"debt": 1}, "wallet_adds_up"),
        (Lot, {"available": -1, "consumed": 81}, "lot_not_negative"),
        (Lot, {"available": 71}, "lot_adds_up"),
        (Lot, {"granted": 101}, "lot_adds_up"),
        (Lot, {"kind": "gift"}, "lot_kind_known"),
        (Lot, {"revoked": 101, "available": -31}, "lot_not_negative"),
        (Lot, {"revoked": 101, "repaid": -101}, "lot_revoked_within"),
        (Lot, {"repaid": -1, "available": 71}, "lot_revoked_within"),
        (Lot, {"expires_at": Now()}, "lot_term_of_kind"),
        (Lot, {"lapses": True}, "lot_term_of_kind"),
        (Lot, {"kind": "allowance"}, "lot_term_of_kind"),
        (Wallet, {"low_at": -1}, "low_at_check"),
        (Reservation, {"captured": 31}, "reservation_adds_up"),
        (Reservation, {"released": 21}, "reservation_adds_up"),
        (Reservation, {"captured": -1}, "reservation_adds_up"),
    ],
)
def test_columns_outside_of_their_bounds_are_refused(model, change, constraint):
    w = used_wallet()
    with nothing_changes(w), pytest.raises(IntegrityError, match=constraint):
        model.objects.update(**change)


def test_unknown_values_and_empty_entries_are_refused():
    w = used_wallet()
    posted = new_id()
    attacks = {
        "ledger_transaction_kind_known": [posting(w, kind="theft")],
        "entry_bucket_known": [posting(w, id=posted), entry(posted, w, bucket="mine")],
        "entry_not_zero": [posting(w, id=posted), entry(posted, w, amount=0)],
        "entry_of_a_lot": [posting(w, id=posted), entry(posted, w, lot_id=None)],
        "ledger_transaction_adjust_explained": [
            posting(w, kind="adjust", reason="Mine")
        ],
    }
    for constraint, statements in attacks.items():
        with nothing_changes(w), pytest.raises(IntegrityError, match=constraint):
            run(*statements)
    with pytest.raises(IntegrityError, match="wallet_environment_known"):
        Wallet.objects.create(workspace=w.workspace, environment="STAGING")


def test_key_number_and_source_are_unique():
    w = used_wallet()
    lot = w.lots.get()
    first = LedgerTransaction.objects.get(wallet=w, seq=1)
    attacks = {
        "ledger_transaction_once": posting(w, key=first.key),
        "ledger_transaction_numbered": posting(w, seq=1),
        "lot_source_once": (
            "INSERT INTO billing_lot (wallet_id, environment, kind, priority, granted,"
            " available, reserved, consumed, expired, revoked, source)"
            " VALUES (%s, %s, 'pack', 30, 1, 1, 0, 0, 0, 0, %s)",
            [w.pk, w.environment, lot.source],
        ),
    }
    for constraint, attack in attacks.items():
        with nothing_changes(w), pytest.raises(IntegrityError, match=constraint):
            run(attack)


def test_rows_with_ledger_entries_cannot_be_deleted():
    w = used_wallet()
    statements = [
        "DELETE FROM billing_lot",
        "DELETE FROM billing_reservationslice; DELETE FROM billing_reservation",
        "DELETE FROM billing_wallet",
        "DELETE FROM accounts_workspace",
    ]
    for statement in statements:
        with nothing_changes(w), pytest.raises(IntegrityError):
            run((statement, []))
    with nothing_changes(w), pytest.raises(IntegrityError, match="protected"):
        Workspace.objects.filter(pk=w.workspace_id).delete()
    assert violations() == {}
