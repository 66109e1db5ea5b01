import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
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
            name="Job",
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
                ("environment", models.CharField(max_length=10)),
                (
                    "source",
                    models.CharField(
                        choices=[("jobs", "Jobs"), ("speech", "Speech")],
                        default="jobs",
                        max_length=8,
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=200)),
                ("format", models.CharField(default="mp3", max_length=8)),
                (
                    "fallback",
                    models.JSONField(
                        blank=True, default=list, help_text="voices, in order"
                    ),
                ),
                (
                    "fallback_prices",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="credits per character that each was quoted at; null: by an own key",
                    ),
                ),
                ("webhook_url", models.CharField(blank=True, max_length=2048)),
                ("metadata", models.JSONField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("processing", "Processing"),
                            ("completed", "Completed"),
                            ("partial", "Partial"),
                            ("failed", "Failed"),
                            ("canceled", "Canceled"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                ("is_paused", models.BooleanField(default=False)),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="why it was canceled", max_length=40
                    ),
                ),
                (
                    "rounds",
                    models.PositiveIntegerField(
                        default=1, help_text="priced rounds so far"
                    ),
                ),
                ("characters", models.PositiveBigIntegerField()),
                (
                    "cost",
                    models.PositiveBigIntegerField(
                        help_text="credits reserved, over all rounds"
                    ),
                ),
                (
                    "charged",
                    models.PositiveBigIntegerField(
                        default=0, help_text="credits captured"
                    ),
                ),
                (
                    "charged_to_subscription",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="the part of `charged` that an allowance paid",
                    ),
                ),
                (
                    "refunded",
                    models.PositiveBigIntegerField(
                        default=0, help_text="credits released"
                    ),
                ),
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
                ("is_deleted", models.BooleanField(default=False)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True, help_text="when its files are removed", null=True
                    ),
                ),
                ("files_removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
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
                    "token",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.apitoken",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Assembly",
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
                (
                    "kind",
                    models.CharField(
                        choices=[("zip", "Zip"), ("audio", "Audio"), ("m4b", "M4B")],
                        max_length=8,
                    ),
                ),
                (
                    "version",
                    models.CharField(
                        help_text="digest of the renders that it is made of",
                        max_length=64,
                    ),
                ),
                (
                    "file",
                    models.CharField(
                        blank=True, help_text="name in the storage", max_length=300
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="assemblies",
                        to="synthesis.job",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "assemblies",
            },
        ),
        migrations.CreateModel(
            name="Scene",
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
                (
                    "index",
                    models.PositiveIntegerField(help_text="place in the job, from 1"),
                ),
                ("title", models.CharField(blank=True, max_length=200)),
                ("text", models.TextField()),
                (
                    "shifts",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="where it stands in the text that was sent: see `synthesis.text`",
                    ),
                ),
                (
                    "voice",
                    models.CharField(help_text="id in the catalogue", max_length=200),
                ),
                (
                    "provider",
                    models.CharField(
                        help_text="slug; part of the voice's id", max_length=40
                    ),
                ),
                (
                    "credential",
                    models.CharField(
                        default="platform",
                        help_text="whose key calls the provider",
                        max_length=80,
                    ),
                ),
                (
                    "is_for_own_key",
                    models.BooleanField(
                        default=False,
                        help_text="quoted with an own key: no key of ours stands in",
                    ),
                ),
                (
                    "spoken_by",
                    models.CharField(
                        blank=True,
                        help_text="the fallback voice in place of `voice`; empty: that one itself",
                        max_length=200,
                    ),
                ),
                (
                    "fallbacks_left",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="voices of the job's that may still take over",
                    ),
                ),
                ("speed", models.FloatField(default=1.0)),
                ("options", models.JSONField(blank=True, default=dict)),
                ("characters", models.PositiveIntegerField()),
                (
                    "cost",
                    models.PositiveBigIntegerField(
                        help_text="credits, fixed at submit"
                    ),
                ),
                (
                    "spoken_cost",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="what a cheaper fallback voice costs",
                        null=True,
                    ),
                ),
                (
                    "round",
                    models.PositiveIntegerField(
                        default=1, help_text="the priced round that pays for it"
                    ),
                ),
                (
                    "render",
                    models.PositiveIntegerField(
                        default=1, help_text="grows each time that it is spoken anew"
                    ),
                ),
                (
                    "queue",
                    models.CharField(
                        choices=[("local", "Local"), ("remote", "Remote")], max_length=8
                    ),
                ),
                (
                    "turn",
                    models.PositiveBigIntegerField(
                        help_text="virtual time; the lowest is spoken next"
                    ),
                ),
                (
                    "is_held",
                    models.BooleanField(
                        default=False,
                        help_text="not claimable: its job is paused, or it is at once",
                    ),
                ),
                ("error_code", models.CharField(blank=True, max_length=40)),
                (
                    "audio",
                    models.CharField(
                        blank=True, help_text="name in the storage", max_length=300
                    ),
                ),
                (
                    "words",
                    models.CharField(
                        blank=True, help_text="name in the storage", max_length=300
                    ),
                ),
                (
                    "timing",
                    models.CharField(
                        blank=True, help_text="exact or estimated", max_length=10
                    ),
                ),
                ("duration_ms", models.PositiveBigIntegerField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scenes",
                        to="synthesis.job",
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
                "ordering": ["job", "index"],
            },
        ),
        migrations.CreateModel(
            name="Piece",
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
                ("render", models.PositiveIntegerField()),
                (
                    "ordinal",
                    models.PositiveIntegerField(help_text="place in the scene, from 1"),
                ),
                (
                    "char_start",
                    models.PositiveIntegerField(help_text="of its text in the scene's"),
                ),
                ("char_end", models.PositiveIntegerField()),
                (
                    "audio",
                    models.CharField(
                        help_text="name in the storage; the words lie beside it",
                        max_length=300,
                    ),
                ),
                ("samples", models.PositiveBigIntegerField()),
                ("sample_rate", models.PositiveIntegerField(help_text="Hz")),
                (
                    "pause_ms",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="silence before the next piece of the scene",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "scene",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pieces",
                        to="synthesis.scene",
                    ),
                ),
            ],
            options={
                "ordering": ["scene", "render", "ordinal"],
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("is_deleted", False)),
                fields=["workspace", "environment", "-id"],
                name="job_list",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["status", "id"], name="job_by_status"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("files_removed_at", None)),
                fields=["expires_at"],
                name="job_expiry",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "cost__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("charged"), "+", models.F("refunded")
                        ),
                    )
                ),
                name="job_accounts_for_its_cost",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_deleted", False),
                    ("deleted_at__isnull", False),
                    _connector="OR",
                ),
                name="job_deletion_dated",
            ),
        ),
        migrations.AddConstraint(
            model_name="assembly",
            constraint=models.UniqueConstraint(
                fields=("job", "kind", "version"), name="assembly_once"
            ),
        ),
        migrations.AddIndex(
            model_name="scene",
            index=models.Index(
                condition=models.Q(("is_held", False), ("status", "queued")),
                fields=["queue", "turn", "index", "id"],
                name="scene_next",
            ),
        ),
        migrations.AddIndex(
            model_name="scene",
            index=models.Index(
                condition=models.Q(("is_held", False), ("status", "queued")),
                fields=[
                    "queue",
                    "workspace",
                    "provider",
                    "credential",
                    "turn",
                    "index",
                    "id",
                ],
                name="scene_lane",
            ),
        ),
        migrations.AddIndex(
            model_name="scene",
            index=models.Index(fields=["workspace", "-turn"], name="scene_last_turn"),
        ),
        migrations.AddIndex(
            model_name="scene",
            index=models.Index(fields=["-turn"], name="scene_newest_turn"),
        ),
        migrations.AddIndex(
            model_name="scene",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "processing"])),
                fields=["job", "round"],
                name="scene_unfinished",
            ),
        ),
        migrations.AddIndex(
            model_name="scene",
            index=models.Index(
                condition=models.Q(("status", "processing")),
                fields=["lease_until"],
                name="scene_leased",
            ),
        ),
        migrations.AddConstraint(
            model_name="scene",
            constraint=models.UniqueConstraint(
                fields=("job", "index"), name="scene_place"
            ),
        ),
        migrations.AddConstraint(
            model_name="scene",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "completed"), _negated=True),
                    models.Q(
                        models.Q(("audio", ""), _negated=True),
                        ("duration_ms__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="scene_completed_has_audio",
            ),
        ),
        migrations.AddConstraint(
            model_name="scene",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "processing"), _negated=True),
                    ("lease_until__isnull", False),
                    _connector="OR",
                ),
                name="scene_processing_is_leased",
            ),
        ),
        migrations.AddConstraint(
            model_name="scene",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credential", "platform"),
                    ("cost", 0),
                    models.Q(("spoken_cost", 0), ("spoken_cost__isnull", False)),
                    _connector="OR",
                ),
                name="scene_by_own_key_is_free",
            ),
        ),
        migrations.AddConstraint(
            model_name="scene",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("spoken_cost", None),
                    ("spoken_cost__lte", models.F("cost")),
                    _connector="OR",
                ),
                name="scene_never_dearer",
            ),
        ),
        migrations.AddConstraint(
            model_name="piece",
            constraint=models.UniqueConstraint(
                fields=("scene", "render", "ordinal"), name="piece_place"
            ),
        ),
    ]
