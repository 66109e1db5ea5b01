import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_token_maker"),
        ("billing", "0007_subscriptions"),
    ]

    operations = [
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
    ]
