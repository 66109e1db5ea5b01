import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_token_maker"),
        ("billing", "0010_purchases"),
    ]

    operations = [
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
    ]
