import django.core.validators
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_proofs_and_notices")]

    operations = [
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
    ]
