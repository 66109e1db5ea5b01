"""Composite foreign keys and triggers that protect the ledger, whatever code writes to it.

Composite foreign keys: rows of one wallet can't refer to rows of another. A wallet has one
environment, so this also keeps sandbox and production apart. The models' own foreign keys
on these columns have no constraint: these check more, and one check is enough.

Triggers:
- Transactions and entries are append-only: no UPDATE, DELETE or TRUNCATE, not even one
  that matches no row. The same holds for usage.
- Entries are balanced: those that one statement inserts sum to zero for each transaction,
  and have its wallet and number. So entries that are added later can't unbalance a
  transaction.
- At commit each new transaction has entries, and they sum to zero.

Entries are checked once per statement, so a posting costs one check, not one per entry.
"""

from django.db import migrations

KEYS = [
    # table, name, columns, table and columns that they refer to
    ("lot", "lot_of_wallet", "wallet_id, environment", "wallet (id, environment)"),
    ("lot", "lot_restores", "restores_id, wallet_id", "lot (id, wallet_id)"),
    (
        "ledgertransaction",
        "ledger_transaction_of_wallet",
        "wallet_id, environment",
        "wallet (id, environment)",
    ),
    (
        "ledgertransaction",
        "ledger_transaction_of_reservation",
        "reservation_id, wallet_id",
        "reservation (id, wallet_id)",
    ),
    ("ledgerentry", "entry_of_lot", "lot_id, wallet_id", "lot (id, wallet_id)"),
    (
        "reservationslice",
        "slice_of_reservation",
        "reservation_id, wallet_id",
        "reservation (id, wallet_id)",
    ),
    ("reservationslice", "slice_of_lot", "lot_id, wallet_id", "lot (id, wallet_id)"),
    ("purchase", "purchase_of_lot", "lot_id, environment", "lot (id, environment)"),
]

APPEND_ONLY = """
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER ledger_transaction_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgertransaction
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();

CREATE TRIGGER ledger_entry_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();

CREATE TRIGGER usage_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_usage
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""
DROP_APPEND_ONLY = """
DROP TRIGGER usage_append_only ON billing_usage;
DROP TRIGGER ledger_entry_append_only ON billing_ledgerentry;
DROP TRIGGER ledger_transaction_append_only ON billing_ledgertransaction;
DROP FUNCTION billing_refuse_change();
"""

ENTRIES_FIT = """
CREATE FUNCTION billing_check_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT added.transaction_id INTO bad
    FROM added
    LEFT JOIN billing_ledgertransaction AS posted
        ON posted.id = added.transaction_id
        AND posted.wallet_id = added.wallet_id
        AND posted.seq = added.seq
    GROUP BY added.transaction_id
    HAVING sum(added.amount) <> 0 OR count(posted.id) <> count(*)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries of transaction % are unbalanced or misplaced', bad
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_entries_fit
    AFTER INSERT ON billing_ledgerentry REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION billing_check_entries();
"""
DROP_ENTRIES_FIT = """
DROP TRIGGER ledger_entries_fit ON billing_ledgerentry;
DROP FUNCTION billing_check_entries();
"""

BALANCED_AT_COMMIT = """
CREATE FUNCTION billing_check_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
BEGIN
    SELECT sum(amount) INTO total
    FROM billing_ledgerentry WHERE transaction_id = NEW.id;
    IF total IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'transaction % does not sum to zero', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER ledger_transaction_balanced
    AFTER INSERT ON billing_ledgertransaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION billing_check_transaction();
"""
DROP_BALANCED_AT_COMMIT = """
DROP TRIGGER ledger_transaction_balanced ON billing_ledgertransaction;
DROP FUNCTION billing_check_transaction();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        *(
            migrations.RunSQL(
                f"ALTER TABLE billing_{table} ADD CONSTRAINT {name}"
                f" FOREIGN KEY ({columns}) REFERENCES billing_{target}",
                f"ALTER TABLE billing_{table} DROP CONSTRAINT {name}",
            )
            for table, name, columns, target in KEYS
        ),
        migrations.RunSQL(APPEND_ONLY, DROP_APPEND_ONLY),
        migrations.RunSQL(ENTRIES_FIT, DROP_ENTRIES_FIT),
        migrations.RunSQL(BALANCED_AT_COMMIT, DROP_BALANCED_AT_COMMIT),
    ]
