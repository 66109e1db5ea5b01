import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

import kit.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Closing",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("month", models.DateField(help_text="its first day", unique=True)),
                (
                    "last_wallet",
                    models.BigIntegerField(
                        default=0, help_text="done up to this number"
                    ),
                ),
                ("is_done", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kit.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("job", models.CharField(max_length=64)),
                ("amount", models.BigIntegerField()),
                ("captured", models.BigIntegerField(default=0)),
                ("released", models.BigIntegerField(default=0)),
                (
                    "deadline",
                    models.DateTimeField(
                        help_text="the reaper looks after it if it is still open then"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LedgerProof",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "duration_ms",
                    models.PositiveBigIntegerField(help_text="how long it took"),
                ),
                (
                    "counts",
                    models.JSONField(
                        help_text="violations by the name of each invariant"
                    ),
                ),
                (
                    "violations",
                    models.PositiveBigIntegerField(
                        help_text="all of them; 0 when proved"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-created_at"], name="ledger_proof_newest")
                ],
            },
        ),
        migrations.CreateModel(
            name="Lot",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("allowance", "Allowance"),
                            ("promo", "Promo"),
                            ("pack", "Pack"),
                            ("adjust", "Adjust"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        help_text="the lowest is drawn first"
                    ),
                ),
                ("granted", models.BigIntegerField()),
                ("available", models.BigIntegerField()),
                ("reserved", models.BigIntegerField(default=0)),
                ("consumed", models.BigIntegerField(default=0)),
                ("expired", models.BigIntegerField(default=0)),
                (
                    "revoked",
                    models.BigIntegerField(
                        default=0, help_text="taken back by refunds"
                    ),
                ),
                (
                    "adjusted",
                    models.BigIntegerField(
                        db_default=0, default=0, help_text="taken away by operators"
                    ),
                ),
                (
                    "repaid",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="went into a debt; below 0: taking it back left one",
                    ),
                ),
                (
                    "effective_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "lapses",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="ends after 365 days without use or purchase",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        help_text="what paid for it; honoured once per environment",
                        max_length=200,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "restores",
                    models.ForeignKey(
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
            ],
        ),
        migrations.CreateModel(
            name="Pack",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="what programs call it; never changes",
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z][a-z0-9_]*$", "Lower-case letters, digits and _."
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "amount",
                    models.PositiveIntegerField(
                        help_text="price, in the currency's minor units: 299 is 2.99 USD"
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        default="USD",
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$", "Three capitals, such as USD."
                            )
                        ],
                    ),
                ),
                (
                    "is_offered",
                    models.BooleanField(
                        default=True, help_text="to new buyers; who has it keeps it"
                    ),
                ),
                ("stripe_price", models.CharField(blank=True, max_length=100)),
                (
                    "stripe_test_price",
                    models.CharField(
                        blank=True, help_text="for sandbox", max_length=100
                    ),
                ),
                ("app_store_product", models.CharField(blank=True, max_length=100)),
                ("play_store_product", models.CharField(blank=True, max_length=100)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "credits",
                    models.PositiveBigIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
            ],
            options={
                "ordering": ["amount", "key"],
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="pack_currency_has_three_capitals",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", "^[a-z][a-z0-9_]*$")),
                        name="pack_key_is_plain",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("stripe_price", ""), _negated=True),
                        fields=("stripe_price",),
                        name="pack_stripe_price",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("stripe_test_price", ""), _negated=True),
                        fields=("stripe_test_price",),
                        name="pack_stripe_test_price",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("app_store_product", ""), _negated=True),
                        fields=("app_store_product",),
                        name="pack_app_store_product",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("play_store_product", ""), _negated=True),
                        fields=("play_store_product",),
                        name="pack_play_store_product",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("credits__gte", 1), ("credits__lte", 1000000000000)
                        ),
                        name="pack_credits_can_be_granted",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="what programs call it; never changes",
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z][a-z0-9_]*$", "Lower-case letters, digits and _."
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "amount",
                    models.PositiveIntegerField(
                        help_text="price, in the currency's minor units: 299 is 2.99 USD"
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        default="USD",
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$", "Three capitals, such as USD."
                            )
                        ],
                    ),
                ),
                (
                    "is_offered",
                    models.BooleanField(
                        default=True, help_text="to new buyers; who has it keeps it"
                    ),
                ),
                ("stripe_price", models.CharField(blank=True, max_length=100)),
                (
                    "stripe_test_price",
                    models.CharField(
                        blank=True, help_text="for sandbox", max_length=100
                    ),
                ),
                ("app_store_product", models.CharField(blank=True, max_length=100)),
                ("play_store_product", models.CharField(blank=True, max_length=100)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "monthly_allowance",
                    models.PositiveBigIntegerField(
                        help_text="credits for each month; they end with it"
                    ),
                ),
                (
                    "term",
                    models.CharField(
                        choices=[("monthly", "Monthly"), ("yearly", "Yearly")],
                        default="monthly",
                        max_length=8,
                    ),
                ),
                ("trial_days", models.PositiveSmallIntegerField(default=0)),
                (
                    "rate_synthesis",
                    models.PositiveIntegerField(
                        help_text="synthesis requests a minute",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "rate_other",
                    models.PositiveIntegerField(
                        help_text="other requests a minute",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "concurrency",
                    models.PositiveIntegerField(
                        help_text="scenes spoken at once",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "retention_days",
                    models.PositiveIntegerField(
                        help_text="how long the files of a job are kept",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
            ],
            options={
                "ordering": ["amount", "key"],
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="plan_currency_has_three_capitals",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", "^[a-z][a-z0-9_]*$")),
                        name="plan_key_is_plain",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("stripe_price", ""), _negated=True),
                        fields=("stripe_price",),
                        name="plan_stripe_price",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("stripe_test_price", ""), _negated=True),
                        fields=("stripe_test_price",),
                        name="plan_stripe_test_price",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("app_store_product", ""), _negated=True),
                        fields=("app_store_product",),
                        name="plan_app_store_product",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("play_store_product", ""), _negated=True),
                        fields=("play_store_product",),
                        name="plan_play_store_product",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("term__in", ["monthly", "yearly"])),
                        name="plan_term_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("concurrency__gte", 1),
                            ("rate_other__gte", 1),
                            ("rate_synthesis__gte", 1),
                            ("retention_days__gte", 1),
                        ),
                        name="plan_allows_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("monthly_allowance__lte", 1000000000000)),
                        name="plan_allowance_can_be_granted",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PromoCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="capitals, digits and -; people may write it in any letter case",
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z0-9-]{4,40}\\Z", "4 to 40 capitals, digits and -."
                            )
                        ],
                    ),
                ),
                (
                    "credits",
                    models.PositiveBigIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000000),
                        ]
                    ),
                ),
                (
                    "max_uses",
                    models.PositiveIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                ("used", models.PositiveIntegerField(default=0, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("is_enabled", models.BooleanField(default=True)),
                (
                    "note",
                    models.CharField(
                        blank=True, help_text="for operators", max_length=200
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("code__regex", "^[A-Z0-9-]{4,40}$")),
                        name="promo_code_is_plain",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("credits__gte", 1), ("credits__lte", 1000000000)
                        ),
                        name="promo_code_credits_can_be_granted",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("used__lte", models.F("max_uses"))),
                        name="promo_code_used_no_more",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TokenSpending",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("token_id", models.UUIDField()),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                ("month", models.DateField(help_text="its first day")),
                ("credits", models.PositiveBigIntegerField()),
            ],
            options={
                "verbose_name_plural": "token spending",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("token_id", "environment", "month"),
                        name="token_spending_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Wallet",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                (
                    "available",
                    models.BigIntegerField(
                        default=0,
                        help_text="in lots; may include lots that lapsed and are not swept",
                    ),
                ),
                (
                    "reserved",
                    models.BigIntegerField(
                        default=0, help_text="held for work under way"
                    ),
                ),
                (
                    "debt",
                    models.BigIntegerField(
                        default=0,
                        help_text="owed after a refund of credits already used",
                    ),
                ),
                (
                    "granted",
                    models.BigIntegerField(
                        default=0, help_text="ever, less what was taken back or lapsed"
                    ),
                ),
                ("consumed", models.BigIntegerField(default=0, help_text="ever")),
                (
                    "low_at",
                    models.PositiveBigIntegerField(
                        db_default=1000,
                        default=1000,
                        help_text="tell when less than this can be spent; 0: never",
                    ),
                ),
                (
                    "is_low",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="less than that could be spent after the last posting",
                    ),
                ),
                (
                    "seq",
                    models.BigIntegerField(
                        default=0, help_text="number of its last transaction"
                    ),
                ),
                (
                    "last_activity_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="last use or purchase",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="wallets",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReservationSlice",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("ordinal", models.PositiveIntegerField()),
                ("amount", models.BigIntegerField()),
                (
                    "lot",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slices",
                        to="billing.lot",
                    ),
                ),
                (
                    "reservation",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slices",
                        to="billing.reservation",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.wallet",
                    ),
                ),
            ],
            options={
                "ordering": ["ordinal"],
            },
        ),
        migrations.AddField(
            model_name="reservation",
            name="wallet",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reservations",
                to="billing.wallet",
            ),
        ),
        migrations.AddField(
            model_name="lot",
            name="wallet",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lots",
                to="billing.wallet",
            ),
        ),
        migrations.CreateModel(
            name="LedgerTransaction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kit.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                (
                    "seq",
                    models.BigIntegerField(
                        help_text="from 1, without gaps, in the wallet"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
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
                (
                    "key",
                    models.CharField(
                        help_text="what makes it happen once", max_length=255
                    ),
                ),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="digest of what the key was first used for",
                        max_length=32,
                    ),
                ),
                (
                    "actor",
                    models.CharField(
                        blank=True,
                        help_text="the operator; empty: the product itself",
                        max_length=254,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "ticket",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="where the operator was asked for it",
                        max_length=100,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "reservation",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="billing.reservation",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="billing.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kit.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("seq", models.BigIntegerField(help_text="of its transaction")),
                (
                    "bucket",
                    models.CharField(
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
                ("amount", models.BigIntegerField()),
                (
                    "balance_after",
                    models.BigIntegerField(
                        help_text="available less debt of the wallet, once this entry counts"
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="billing.ledgertransaction",
                    ),
                ),
                (
                    "lot",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="billing.lot",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.wallet",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "ledger entries",
            },
        ),
        migrations.CreateModel(
            name="LapseNotice",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("ends", "a week before their time is over"),
                            ("idle_335", "335 days without activity"),
                            ("idle_358", "358 days without activity"),
                        ],
                        max_length=10,
                    ),
                ),
                ("lapses_at", models.DateTimeField()),
                (
                    "credits",
                    models.BigIntegerField(help_text="that would lapse, as of then"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lapse_notices",
                        to="billing.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CreditRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kit.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "act",
                    models.CharField(
                        choices=[("grant", "Grant"), ("adjust", "Adjust")],
                        max_length=10,
                    ),
                ),
                (
                    "credits",
                    models.BigIntegerField(help_text="below 0: to be taken away"),
                ),
                (
                    "bucket",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("allowance", "Allowance"),
                            ("promo", "Promo"),
                            ("pack", "Pack"),
                            ("adjust", "Adjust"),
                        ],
                        help_text="of a grant",
                        max_length=10,
                    ),
                ),
                ("allow_debt", models.BooleanField(default=False)),
                ("reason", models.CharField(max_length=500)),
                ("ticket", models.CharField(max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("approved", "Approved"),
                            ("refused", "Refused"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("asked_by", models.UUIDField(help_text="a user")),
                ("asked_by_email", models.CharField(max_length=254)),
                (
                    "decided_by",
                    models.UUIDField(blank=True, help_text="another user", null=True),
                ),
                ("decided_by_email", models.CharField(blank=True, max_length=254)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "wallet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="requests",
                        to="billing.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClosedMonth",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("month", models.DateField(help_text="its first day")),
                ("opening", models.BigIntegerField()),
                ("closing", models.BigIntegerField()),
                ("lines", models.JSONField(help_text="day, text and credits of each")),
                (
                    "paid",
                    models.JSONField(
                        help_text="day, name, minor units and currency of each"
                    ),
                ),
                ("scenes", models.PositiveBigIntegerField()),
                ("characters", models.PositiveBigIntegerField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closed_months",
                        to="billing.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PromoRedemption",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("user_id", models.UUIDField()),
                (
                    "person",
                    models.CharField(
                        help_text="HMAC of the mailbox: see accounts.welcome",
                        max_length=64,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "code",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="redemptions",
                        to="billing.promocode",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("code", "user_id"), name="promo_code_once_per_user"
                    ),
                    models.UniqueConstraint(
                        fields=("code", "person"), name="promo_code_once_per_person"
                    ),
                    models.UniqueConstraint(
                        fields=("code", "workspace"),
                        name="promo_code_once_per_workspace",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Purchase",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                (
                    "store",
                    models.CharField(
                        choices=[
                            ("stripe", "Stripe"),
                            ("app_store", "App Store"),
                            ("play_store", "Play Store"),
                            ("nowpayments", "Nowpayments"),
                            ("btcpay", "Btcpay"),
                            ("demo", "Demo"),
                            ("operator", "Operator"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        help_text="the payment, as the store calls it", max_length=200
                    ),
                ),
                (
                    "amount",
                    models.PositiveIntegerField(help_text="paid, in minor units"),
                ),
                ("currency", models.CharField(max_length=3)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "lot",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="purchase",
                        to="billing.lot",
                    ),
                ),
                (
                    "pack",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="purchases",
                        to="billing.pack",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "environment", "external_id"),
                        name="purchase_of_store_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        name="purchase_is_named_by_its_store",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="purchase_currency_has_three_capitals",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kit.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("trialing", "Trialing"),
                            ("active", "Active"),
                            ("past_due", "Past Due"),
                            ("canceled", "Canceled"),
                            ("ended", "Ended"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "store",
                    models.CharField(
                        choices=[
                            ("stripe", "Stripe"),
                            ("app_store", "App Store"),
                            ("play_store", "Play Store"),
                            ("nowpayments", "Nowpayments"),
                            ("btcpay", "Btcpay"),
                            ("demo", "Demo"),
                            ("operator", "Operator"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        blank=True, help_text="what the store calls it", max_length=200
                    ),
                ),
                (
                    "store_account",
                    models.CharField(
                        blank=True,
                        help_text="who buys there: one trial each",
                        max_length=200,
                    ),
                ),
                (
                    "term",
                    models.CharField(
                        choices=[("monthly", "Monthly"), ("yearly", "Yearly")],
                        help_text="of the present period",
                        max_length=8,
                    ),
                ),
                (
                    "period",
                    models.PositiveIntegerField(
                        default=1, help_text="number of the present one"
                    ),
                ),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                (
                    "anchor_day",
                    models.PositiveSmallIntegerField(
                        help_text="day on which months begin; shorter months have their last"
                    ),
                ),
                ("cancel_at_period_end", models.BooleanField(default=False)),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="when the calendar looks at it next; empty: it is over",
                        null=True,
                    ),
                ),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="billing.plan",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["due_at"],
                        name="subscription_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("status__in", ["trialing", "active", "past_due"])
                        ),
                        fields=("workspace", "environment"),
                        name="one_subscription_in_force",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id", ""), _negated=True),
                        fields=("store", "environment", "external_id"),
                        name="subscription_of_store_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("environment__in", ["PRODUCTION", "SANDBOX"])
                        ),
                        name="subscription_environment_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                ["trialing", "active", "past_due", "canceled", "ended"],
                            )
                        ),
                        name="subscription_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("period_end__gt", models.F("period_start"))
                        ),
                        name="subscription_period_has_a_length",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("anchor_day__gte", 1), ("anchor_day__lte", 31)
                        ),
                        name="subscription_anchor_is_a_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at__isnull", False),
                                ("ended_at", None),
                                ("status__in", ["trialing", "active", "past_due"]),
                            ),
                            models.Q(
                                ("due_at", None),
                                ("ended_at__isnull", False),
                                ("status__in", ["canceled", "ended"]),
                            ),
                            _connector="OR",
                        ),
                        name="subscription_is_in_force_or_over",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TokenReservation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "reservation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="billing.reservation",
                    ),
                ),
                (
                    "spending",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="billing.tokenspending",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("reservation", "spending"),
                        name="token_reservation_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Usage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "environment",
                    models.CharField(
                        choices=[("PRODUCTION", "PRODUCTION"), ("SANDBOX", "SANDBOX")],
                        max_length=10,
                    ),
                ),
                (
                    "user_id",
                    models.UUIDField(
                        help_text="who asked; empty: nobody known", null=True
                    ),
                ),
                (
                    "token_id",
                    models.UUIDField(help_text="by which token, if by one", null=True),
                ),
                ("job", models.CharField(max_length=64)),
                ("scene", models.CharField(max_length=64)),
                (
                    "render",
                    models.PositiveIntegerField(
                        help_text="which time that the scene was spoken"
                    ),
                ),
                ("provider", models.CharField(max_length=40)),
                ("voice", models.CharField(max_length=200)),
                ("characters", models.PositiveBigIntegerField()),
                ("credits", models.PositiveBigIntegerField()),
                (
                    "from_subscription",
                    models.PositiveBigIntegerField(
                        help_text="the part that an allowance paid"
                    ),
                ),
                ("from_credits", models.PositiveBigIntegerField()),
                (
                    "billed_to",
                    models.CharField(
                        choices=[
                            ("subscription", "Subscription"),
                            ("credits", "Credits"),
                            ("own_key", "Own Key"),
                            ("guest", "Guest"),
                            ("admin", "Admin"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "usage",
                "indexes": [
                    models.Index(
                        fields=["workspace", "environment", "created_at"],
                        name="usage_history",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("scene", "render"), name="usage_of_render_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "credits",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("from_subscription"),
                                    "+",
                                    models.F("from_credits"),
                                ),
                            )
                        ),
                        name="usage_adds_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "billed_to__in",
                                [
                                    "subscription",
                                    "credits",
                                    "own_key",
                                    "guest",
                                    "admin",
                                ],
                            )
                        ),
                        name="usage_payer_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("credits", 0),
                            models.Q(
                                ("billed_to", "subscription"), ("from_credits", 0)
                            ),
                            models.Q(("billed_to", "credits"), ("from_credits__gt", 0)),
                            _connector="OR",
                        ),
                        name="usage_payer_fits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("environment__in", ["PRODUCTION", "SANDBOX"])
                        ),
                        name="usage_environment_known",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.UniqueConstraint(
                fields=("workspace", "environment"), name="one_wallet_each"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.UniqueConstraint(
                fields=("id", "environment"), name="wallet_in_environment"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("environment__in", ["PRODUCTION", "SANDBOX"])),
                name="wallet_environment_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("available__gte", 0), ("debt__gte", 0), ("reserved__gte", 0)
                ),
                name="wallet_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "granted",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("consumed"), "+", models.F("available")
                                ),
                                "+",
                                models.F("reserved"),
                            ),
                            "-",
                            models.F("debt"),
                        ),
                    )
                ),
                name="wallet_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservationslice",
            constraint=models.UniqueConstraint(
                fields=("reservation", "ordinal"), name="slice_place"
            ),
        ),
        migrations.AddConstraint(
            model_name="reservationslice",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="slice_positive"
            ),
        ),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(
                condition=models.Q(
                    (
                        "amount__gt",
                        django.db.models.expressions.CombinedExpression(
                            models.F("captured"), "+", models.F("released")
                        ),
                    )
                ),
                fields=["deadline"],
                name="reservation_open",
            ),
        ),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(fields=["job"], name="reservation_of_job"),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.UniqueConstraint(
                fields=("key",), name="reservation_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.UniqueConstraint(
                fields=("id", "wallet"), name="reservation_in_wallet"
            ),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0),
                    (
                        "amount__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("captured"), "+", models.F("released")
                        ),
                    ),
                    ("captured__gte", 0),
                    ("released__gte", 0),
                ),
                name="reservation_adds_up",
            ),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(
                condition=models.Q(("available__gt", 0)),
                fields=["wallet", "priority", "expires_at", "id"],
                name="lot_draw",
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
            model_name="lot",
            constraint=models.UniqueConstraint(
                fields=("source", "environment"), name="lot_source_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.UniqueConstraint(
                fields=("id", "wallet"), name="lot_in_wallet"
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.UniqueConstraint(
                fields=("id", "environment"), name="lot_in_environment"
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["allowance", "promo", "pack", "adjust"])
                ),
                name="lot_kind_known",
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
        migrations.AddConstraint(
            model_name="ledgertransaction",
            constraint=models.UniqueConstraint(
                fields=("key", "wallet"), name="ledger_transaction_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransaction",
            constraint=models.UniqueConstraint(
                fields=("wallet", "seq"), name="ledger_transaction_numbered"
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
                        models.Q(("ticket", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="ledger_transaction_adjust_explained",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                fields=["wallet", "-seq", "-id"], name="entry_statement"
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                condition=models.Q(("bucket", "funding")),
                fields=["lot"],
                name="entry_of_grant",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount", 0), _negated=True), name="entry_not_zero"
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
        migrations.AddIndex(
            model_name="lapsenotice",
            index=models.Index(fields=["lapses_at"], name="lapse_notice_age"),
        ),
        migrations.AddConstraint(
            model_name="lapsenotice",
            constraint=models.UniqueConstraint(
                fields=("wallet", "stage", "lapses_at"), name="lapse_notice_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="lapsenotice",
            constraint=models.CheckConstraint(
                condition=models.Q(("stage__in", ["ends", "idle_335", "idle_358"])),
                name="lapse_notice_stage_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="lapsenotice",
            constraint=models.CheckConstraint(
                condition=models.Q(("credits__gt", 0)), name="lapse_notice_of_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="creditrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("act", "grant"),
                        ("bucket__in", ["pack", "promo"]),
                        ("credits__gt", 0),
                    ),
                    models.Q(
                        ("act", "adjust"),
                        ("bucket", ""),
                        models.Q(("credits", 0), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="credit_request_of_an_act",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason", ""), _negated=True),
                    models.Q(("ticket", ""), _negated=True),
                ),
                name="credit_request_explained",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decided_at__isnull", True),
                        ("decided_by__isnull", True),
                        ("status", "pending"),
                    ),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("status__in", ["approved", "refused"]),
                        models.Q(("decided_by", models.F("asked_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="credit_request_decided_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="closedmonth",
            constraint=models.UniqueConstraint(
                fields=("wallet", "month"), name="closed_month_once"
            ),
        ),
    ]
