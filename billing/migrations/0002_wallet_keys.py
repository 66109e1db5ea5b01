"""Composite foreign keys: nothing of one wallet can refer to another wallet's rows.

A wallet has one environment, so this also keeps sandbox and production apart. The models'
own keys on these columns have no constraint: these say more, and one check is enough.
"""

from django.db import migrations

KEYS = [
    # table, name, columns, table and columns that they refer to
    ("lot", "lot_of_wallet", "wallet_id, environment", "wallet (id, environment)"),
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
]


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE billing_{table} ADD CONSTRAINT {name}"
            f" FOREIGN KEY ({columns}) REFERENCES billing_{target}",
            f"ALTER TABLE billing_{table} DROP CONSTRAINT {name}",
        )
        for table, name, columns, target in KEYS
    ]
