import django.contrib.postgres.fields
import django.db.models.deletion
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
            name="DefaultSigner",
            fields=[
                ("secret", models.BinaryField()),
                ("old_secret", models.BinaryField(null=True)),
                (
                    "old_secret_until",
                    models.DateTimeField(
                        editable=False,
                        help_text="both secrets sign until then",
                        null=True,
                    ),
                ),
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                ("secret", models.BinaryField()),
                ("old_secret", models.BinaryField(null=True)),
                (
                    "old_secret_until",
                    models.DateTimeField(
                        editable=False,
                        help_text="both secrets sign until then",
                        null=True,
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
                ("url", models.CharField(max_length=2048)),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "environment",
                    models.CharField(
                        blank=True,
                        help_text="it hears of this one; empty: of both",
                        max_length=10,
                    ),
                ),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60),
                        help_text="types it gets",
                        size=None,
                    ),
                ),
                ("is_enabled", models.BooleanField(default=True)),
                (
                    "disabled_because",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("owner", "switched off by its owner"),
                            ("operator", "switched off by Ozvena"),
                            ("gone", "it answered 410"),
                            ("failing", "it failed for five days"),
                        ],
                        max_length=8,
                    ),
                ),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="first failure since the last success",
                        null=True,
                    ),
                ),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="attempts that failed since the last success",
                    ),
                ),
                (
                    "succeeded_at",
                    models.DateTimeField(
                        blank=True, help_text="last success", null=True
                    ),
                ),
                (
                    "rests_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="it asked us to wait (Retry-After)",
                        null=True,
                    ),
                ),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Event",
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
                ("type", models.CharField(max_length=60)),
                (
                    "environment",
                    models.CharField(
                        blank=True,
                        help_text="in which it happened; empty: in neither",
                        max_length=10,
                    ),
                ),
                ("body", models.BinaryField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Delivery",
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
                ("url", models.CharField(blank=True, max_length=2048)),
                (
                    "lane",
                    models.CharField(
                        help_text="few deliveries of a lane are sent at the same time",
                        max_length=60,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        blank=True,
                        help_text="none: it goes to `url`, an address for this event alone",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="webhooks.endpoint",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="webhooks.event",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="Turn",
            fields=[
                (
                    "name",
                    models.CharField(max_length=60, primary_key=True, serialize=False),
                ),
                ("served_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["served_at"], name="turn_age")],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
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
                ("url", models.CharField(max_length=2048)),
                (
                    "started_at",
                    models.DateTimeField(
                        help_text="also the signed `webhook-timestamp`"
                    ),
                ),
                ("duration_ms", models.PositiveIntegerField()),
                (
                    "address",
                    models.CharField(
                        blank=True, help_text="that the name stood for", max_length=45
                    ),
                ),
                (
                    "status",
                    models.PositiveSmallIntegerField(
                        help_text="of the answer", null=True
                    ),
                ),
                (
                    "failure",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("unreachable", "the address could not be reached"),
                            ("tls", "no secure connection could be made"),
                            ("timeout", "there was no answer in time"),
                            (
                                "broken",
                                "the connection was closed without a valid answer",
                            ),
                            ("url", "this address is not one that we call"),
                            ("internal", "something went wrong on our side"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "answer",
                    models.TextField(
                        blank=True, help_text="beginning of the answer's body"
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(
                        blank=True, help_text="when the next attempt was due", null=True
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tries",
                        to="webhooks.delivery",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["delivery", "id"], name="attempt_list")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="endpoint",
            index=models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["workspace", "-id"],
                name="endpoint_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("disabled_at", None),
                        ("disabled_because", ""),
                        ("is_enabled", True),
                    ),
                    models.Q(
                        ("disabled_at__isnull", False),
                        ("is_enabled", False),
                        models.Q(("disabled_because", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="endpoint_says_why_it_is_off",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("environment__in", ["", "PRODUCTION", "SANDBOX"])),
                name="endpoint_environment_known",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["created_at"], name="event_age"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("status", "queued")),
                fields=["lane", "ready_at", "id"],
                name="delivery_next",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("status", "processing")),
                fields=["lease_until"],
                name="delivery_leased",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["workspace", "-id"], name="delivery_of_workspace"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("event", "endpoint"), name="delivery_once_per_endpoint"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("endpoint__isnull", False), ("url", "")),
                    models.Q(
                        ("endpoint__isnull", True), models.Q(("url", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="delivery_has_one_address",
            ),
        ),
    ]
