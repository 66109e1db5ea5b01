from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import kit.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Provider",
            fields=[
                (
                    "slug",
                    models.SlugField(max_length=40, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=80)),
                ("is_enabled", models.BooleanField(default=True)),
                (
                    "cost_multiplier",
                    models.DecimalField(
                        decimal_places=3,
                        default=Decimal("1"),
                        help_text="credits per character",
                        max_digits=7,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0"))
                        ],
                    ),
                ),
                ("is_open_to_guests", models.BooleanField(default=False)),
                (
                    "max_concurrent",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="scenes at the same time; empty: no limit",
                        null=True,
                    ),
                ),
                (
                    "base_url",
                    models.CharField(
                        blank=True,
                        help_text="where it is called, with its /v1; empty: where the vendor is",
                        max_length=300,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^https?://[\\w.:\\[\\]-]+(/[\\w./~-]*)?\\Z",
                                "Such as http://host:8880/v1.",
                            )
                        ],
                        verbose_name="address",
                    ),
                ),
                (
                    "region",
                    models.CharField(
                        blank=True, help_text="of the vendor's", max_length=40
                    ),
                ),
                (
                    "model",
                    models.CharField(
                        blank=True,
                        help_text="of a compatible server, in its own words; empty: tts-1",
                        max_length=200,
                    ),
                ),
                (
                    "has_captions",
                    models.BooleanField(
                        default=False,
                        help_text="of Kokoro-FastAPI: ask it for word times, too",
                        verbose_name="captions",
                    ),
                ),
                (
                    "max_concurrent_per_key",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="of these with one key; empty: no limit",
                        null=True,
                    ),
                ),
                (
                    "connect_seconds",
                    models.FloatField(
                        blank=True,
                        help_text="to connect; empty: the usual 10",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0.1)],
                    ),
                ),
                (
                    "first_byte_seconds",
                    models.FloatField(
                        blank=True,
                        help_text="to the first byte of audio; empty: the usual 120",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0.1)],
                    ),
                ),
                (
                    "total_seconds",
                    models.FloatField(
                        blank=True,
                        help_text="of waiting in all; empty: the usual 300",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0.1)],
                    ),
                ),
                (
                    "daily_ceiling",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="credits' worth of calls with our key a day (UTC); empty: no limit",
                        null=True,
                    ),
                ),
                (
                    "sandbox_daily_ceiling",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="the same for the sandbox; empty: it does not speak there",
                        null=True,
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["name", "slug"],
            },
        ),
        migrations.CreateModel(
            name="Voice",
            fields=[
                (
                    "id",
                    models.CharField(max_length=200, primary_key=True, serialize=False),
                ),
                (
                    "provider_voice",
                    models.CharField(help_text="the provider's own id", max_length=160),
                ),
                ("name", models.CharField(max_length=120)),
                ("language", models.CharField(help_text="BCP 47", max_length=35)),
                ("gender", models.CharField(blank=True, max_length=10)),
                ("description", models.CharField(blank=True, max_length=500)),
                (
                    "is_enabled",
                    models.BooleanField(default=True, help_text="set by operators"),
                ),
                (
                    "is_offered",
                    models.BooleanField(
                        default=True, help_text="whether the provider still lists it"
                    ),
                ),
                (
                    "is_by_hand",
                    models.BooleanField(
                        default=False,
                        help_text="added by an operator: no sync changes it",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="voices",
                        to="providers.provider",
                    ),
                ),
            ],
            options={
                "ordering": ["language", "name", "id"],
            },
        ),
        migrations.AddField(
            model_name="provider",
            name="default_voice",
            field=models.ForeignKey(
                blank=True,
                help_text="who speaks when a request names the provider alone",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="providers.voice",
            ),
        ),
        migrations.CreateModel(
            name="Upstream",
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
                ("region", models.CharField(blank=True, max_length=40)),
                (
                    "credential",
                    models.CharField(
                        default="platform",
                        help_text="whose key: ours, or a customer's",
                        max_length=80,
                    ),
                ),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="when it opened; empty while it is closed",
                        null=True,
                    ),
                ),
                (
                    "open_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="nobody calls before; then one call tries",
                        null=True,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="why it opened", max_length=20
                    ),
                ),
                (
                    "openings",
                    models.PositiveIntegerField(
                        default=0, help_text="pauses since then"
                    ),
                ),
                (
                    "probe",
                    models.CharField(
                        blank=True, help_text="who tries now", max_length=80
                    ),
                ),
                (
                    "in_a_row",
                    models.PositiveIntegerField(
                        default=0, help_text="failures without a success between them"
                    ),
                ),
                (
                    "window_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("window_calls", models.PositiveIntegerField(default=0)),
                ("window_failures", models.PositiveIntegerField(default=0)),
                (
                    "retry_allowance",
                    models.FloatField(default=10.0, help_text="retries left"),
                ),
                (
                    "retries_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("calls", models.PositiveBigIntegerField(default=0)),
                (
                    "seconds",
                    models.FloatField(default=0.0, help_text="that these calls took"),
                ),
                (
                    "failures",
                    models.JSONField(
                        blank=True, default=dict, help_text="calls by kind"
                    ),
                ),
                (
                    "recent",
                    models.JSONField(
                        blank=True, default=list, help_text="the last failures"
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="upstreams",
                        to="providers.provider",
                    ),
                ),
            ],
            options={
                "ordering": ["provider", "region", "credential"],
            },
        ),
        migrations.CreateModel(
            name="VoiceAlias",
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
                    "name",
                    models.CharField(
                        max_length=80,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9._-]*\\Z",
                                "Lower case: letters, digits, dots, hyphens.",
                            )
                        ],
                    ),
                ),
                (
                    "voice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="aliases",
                        to="providers.voice",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "voice aliases",
                "ordering": ["name", "voice"],
            },
        ),
        migrations.CreateModel(
            name="ModelAlias",
            fields=[
                (
                    "name",
                    models.CharField(
                        max_length=80,
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9._-]*\\Z",
                                "Lower case: letters, digits, dots, hyphens.",
                            )
                        ],
                    ),
                ),
                (
                    "model",
                    models.CharField(
                        blank=True,
                        help_text="the provider's own; empty: its usual one",
                        max_length=80,
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="providers.provider",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "model aliases",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("name", django.db.models.functions.text.Lower("name"))
                        ),
                        name="model_alias_in_lower_case",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderKey",
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
                ("sealed_key", models.BinaryField()),
                ("last4", models.CharField(max_length=4)),
                (
                    "region",
                    models.CharField(
                        blank=True, help_text="of the vendor's", max_length=40
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("valid", "Valid"),
                            ("restricted", "good for speaking alone"),
                            ("unknown", "the provider doesn't tell"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "checked_at",
                    models.DateTimeField(
                        help_text="when the provider last spoke of it"
                    ),
                ),
                (
                    "tried_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="when the nightly check last came to it",
                        null=True,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="when a worker is called to look at it, if none has come",
                        null=True,
                    ),
                ),
                (
                    "failure",
                    models.CharField(
                        blank=True, help_text="why it is of no use now", max_length=20
                    ),
                ),
                (
                    "failed_at",
                    models.DateTimeField(
                        blank=True, help_text="when that was found out", null=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="providers.provider",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provider_keys",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["provider"],
                "indexes": [
                    models.Index(fields=["checked_at"], name="own_key_checks"),
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["due_at"],
                        name="own_key_due",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "provider"), name="one_own_key_each"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("region__regex", "^[a-z0-9-]*$")),
                        name="own_key_region_is_a_word",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("failed_at", None), ("failure", "")),
                            models.Q(
                                models.Q(("failure", ""), _negated=True),
                                ("failed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="own_key_failure_dated",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Sample",
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
                    "voice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="sample",
                        serialize=False,
                        to="providers.voice",
                    ),
                ),
                (
                    "file",
                    models.CharField(
                        blank=True, help_text="name in the storage", max_length=300
                    ),
                ),
                ("error_code", models.CharField(blank=True, max_length=40)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "queued")),
                        fields=["ready_at"],
                        name="sample_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("status", "processing")),
                        fields=["lease_until"],
                        name="sample_under_way",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "completed"), _negated=True),
                            models.Q(("file", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="sample_completed_has_audio",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "processing"), _negated=True),
                            ("lease_until__isnull", False),
                            _connector="OR",
                        ),
                        name="sample_processing_is_leased",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="voice",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_voice"), name="one_row_per_voice"
            ),
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost_multiplier__gte", 0)),
                name="price_not_negative",
            ),
        ),
        migrations.AddIndex(
            model_name="upstream",
            index=models.Index(
                condition=models.Q(("failing_since__isnull", False)),
                fields=["open_until"],
                name="upstream_failing",
            ),
        ),
        migrations.AddConstraint(
            model_name="upstream",
            constraint=models.UniqueConstraint(
                fields=("provider", "region", "credential"), name="one_row_per_upstream"
            ),
        ),
        migrations.AddConstraint(
            model_name="upstream",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("failing_since", None), ("open_until", None), ("probe", "")
                    ),
                    models.Q(
                        ("failing_since__isnull", False), ("open_until__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="upstream_open_or_closed",
            ),
        ),
        migrations.AddConstraint(
            model_name="voicealias",
            constraint=models.UniqueConstraint(
                models.F("name"),
                models.Func(
                    models.F("voice"),
                    models.Value(":"),
                    models.Value(1),
                    function="split_part",
                    output_field=models.CharField(),
                ),
                name="voice_alias_once_in_a_provider",
                violation_error_message="Another voice of the provider has this alias.",
            ),
        ),
        migrations.AddConstraint(
            model_name="voicealias",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("name", django.db.models.functions.text.Lower("name"))
                ),
                name="voice_alias_in_lower_case",
            ),
        ),
    ]
