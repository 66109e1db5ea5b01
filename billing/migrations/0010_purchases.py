import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0009_usage_guard"),
    ]

    operations = [
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
    ]
