import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kit.ids


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_plan_limits"),
        ("billing", "0006_plans_and_packs"),
    ]

    operations = [
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
    ]
