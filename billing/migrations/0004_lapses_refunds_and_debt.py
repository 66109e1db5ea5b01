"""What lots need to lapse, to be refunded and to repay a debt."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_ledger_guards"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="ledgertransaction",
            name="ledger_transaction_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="lot",
            name="lot_adds_up",
        ),
        migrations.AddField(
            model_name="lot",
            name="lapses",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="ends after 365 days without use or purchase",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="lot",
            name="lot_not_negative",
        ),
        migrations.RemoveConstraint(
            model_name="ledgerentry",
            name="entry_bucket_known",
        ),
        migrations.AddField(
            model_name="lot",
            name="adjusted",
            field=models.BigIntegerField(
                db_default=0, default=0, help_text="taken away by operators"
            ),
        ),
        migrations.AddField(
            model_name="lot",
            name="repaid",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="went into a debt; below 0: taking it back left one",
            ),
        ),
        migrations.AddField(
            model_name="lot",
            name="restores",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="the lot whose refund it undoes",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="restored_by",
                to="billing.lot",
            ),
        ),
        migrations.AddField(
            model_name="wallet",
            name="low_at",
            field=models.PositiveBigIntegerField(
                db_default=1000,
                default=1000,
                help_text="tell when less than this can be spent; 0: never",
            ),
        ),
        migrations.AddField(
            model_name="wallet",
            name="is_low",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="less than that could be spent after the last posting",
            ),
        ),
        migrations.AlterField(
            model_name="ledgertransaction",
            name="kind",
            field=models.CharField(
                choices=[
                    ("grant", "Grant"),
                    ("reserve", "Reserve"),
                    ("capture", "Capture"),
                    ("release", "Release"),
                    ("expire", "Expire"),
                    ("refund", "Refund"),
                    ("reverse", "Reverse"),
                    ("adjust", "Adjust"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="lot",
            name="revoked",
            field=models.BigIntegerField(default=0, help_text="taken back by refunds"),
        ),
        migrations.AlterField(
            model_name="wallet",
            name="granted",
            field=models.BigIntegerField(
                default=0, help_text="ever, less what was taken back or lapsed"
            ),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(
                condition=models.Q(("available__gt", 0), ("expires_at__isnull", False)),
                fields=["expires_at"],
                name="lot_ending",
            ),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(
                condition=models.Q(("available__gt", 0), ("lapses", True)),
                fields=["effective_at"],
                name="lot_lapsing",
            ),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(
                condition=models.Q(("restores__isnull", False)),
                fields=["restores"],
                name="lot_restoring",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("lot__isnull", False),
                    ("bucket__in", ["debt", "adjust"]),
                    _connector="OR",
                ),
                name="entry_of_a_lot",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "grant",
                            "reserve",
                            "capture",
                            "release",
                            "expire",
                            "refund",
                            "reverse",
                            "adjust",
                        ],
                    )
                ),
                name="ledger_transaction_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "adjust"), _negated=True),
                    models.Q(
                        models.Q(("actor", ""), _negated=True),
                        models.Q(("reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="ledger_transaction_adjust_explained",
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "repaid__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("revoked"), "*", models.Value(-1)
                        ),
                    ),
                    ("revoked__lte", models.F("granted")),
                ),
                name="lot_revoked_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "promo"),
                    models.Q(
                        ("expires_at__isnull", False),
                        ("kind", "allowance"),
                        ("lapses", False),
                    ),
                    models.Q(
                        ("expires_at", None),
                        ("kind__in", ["pack", "adjust"]),
                        ("lapses", False),
                    ),
                    _connector="OR",
                ),
                name="lot_term_of_kind",
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="bucket",
            field=models.CharField(
                choices=[
                    ("available", "Available"),
                    ("reserved", "Reserved"),
                    ("debt", "Debt"),
                    ("funding", "Funding"),
                    ("usage", "Usage"),
                    ("breakage", "Breakage"),
                    ("refund", "Refund"),
                    ("adjust", "Adjust"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "bucket__in",
                        [
                            "available",
                            "reserved",
                            "debt",
                            "funding",
                            "usage",
                            "breakage",
                            "refund",
                            "adjust",
                        ],
                    )
                ),
                name="entry_bucket_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("adjusted__gte", 0),
                    ("available__gte", 0),
                    ("consumed__gte", 0),
                    ("expired__gte", 0),
                    ("granted__gt", 0),
                    ("reserved__gte", 0),
                    ("revoked__gte", 0),
                ),
                name="lot_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "granted",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("available"),
                                                "+",
                                                models.F("reserved"),
                                            ),
                                            "+",
                                            models.F("consumed"),
                                        ),
                                        "+",
                                        models.F("expired"),
                                    ),
                                    "+",
                                    models.F("revoked"),
                                ),
                                "+",
                                models.F("adjusted"),
                            ),
                            "+",
                            models.F("repaid"),
                        ),
                    )
                ),
                name="lot_adds_up",
            ),
        ),
        # A lot of one wallet restores none of another.
        migrations.RunSQL(
            "ALTER TABLE billing_lot ADD CONSTRAINT lot_restores"
            " FOREIGN KEY (restores_id, wallet_id) REFERENCES billing_lot (id, wallet_id)",
            "ALTER TABLE billing_lot DROP CONSTRAINT lot_restores",
        ),
        migrations.RunSQL(
            "UPDATE billing_wallet SET is_low = available - debt < low_at",
            migrations.RunSQL.noop,
        ),
        # Promotional credits lapse, as they were promised to.
        migrations.RunSQL(
            "UPDATE billing_lot SET lapses = true WHERE kind = 'promo'",
            migrations.RunSQL.noop,
        ),
    ]
