import django.db.models.functions.datetime
from django.db import migrations, models

import kit.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="IdempotencyRecord",
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
                    "scope",
                    models.CharField(
                        help_text="workspace or guest network, environment, method, path",
                        max_length=200,
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="SHA-256 of the raw body", max_length=64
                    ),
                ),
                ("status", models.PositiveSmallIntegerField(null=True)),
                (
                    "body",
                    models.TextField(
                        blank=True,
                        help_text="JSON as sent; a JSON column would sort its keys",
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=64)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["created_at"], name="idempotency_age"),
                    models.Index(
                        condition=models.Q(("subject", ""), _negated=True),
                        fields=["subject"],
                        name="idempotency_subject",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("scope", "key"), name="idempotency_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("processing", "Processing"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("canceled", "Canceled"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                (
                    "ready_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                (
                    "fence",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="grows with each claim; only the newest holder may settle",
                    ),
                ),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0, help_text="tries that ended with an error"
                    ),
                ),
                (
                    "crashes",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="times that the holder vanished without a word",
                    ),
                ),
                (
                    "strikes",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="times that it ended a process of its own while its parent lived",
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=kit.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("to", models.EmailField(max_length=254)),
                ("subject", models.CharField(max_length=200)),
                (
                    "sealed_text",
                    models.BinaryField(
                        help_text="encrypted, for it may hold a login code; emptied once it is settled"
                    ),
                ),
                (
                    "send_until",
                    models.DateTimeField(help_text="too late to be of use after this"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "queued")),
                        fields=["ready_at"],
                        name="mail_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("status", "processing")),
                        fields=["lease_until"],
                        name="mail_under_way",
                    ),
                    models.Index(fields=["created_at"], name="mail_age"),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuotaCounter",
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
                ("name", models.CharField(help_text="what is counted", max_length=60)),
                (
                    "subject",
                    models.CharField(help_text="who is counted", max_length=120),
                ),
                ("period", models.DateField(help_text="first day of the period, UTC")),
                ("used", models.PositiveIntegerField(default=0)),
            ],
            options={
                "indexes": [models.Index(fields=["period"], name="quota_age")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "subject", "period"), name="quota_once"
                    )
                ],
            },
        ),
    ]
