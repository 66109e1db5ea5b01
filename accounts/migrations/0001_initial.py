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
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="last login"
                    ),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
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
                ("email", models.EmailField(max_length=254, unique=True)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "is_staff",
                    models.BooleanField(default=False, help_text="opens the admin"),
                ),
                (
                    "is_blocked",
                    models.BooleanField(
                        default=False,
                        help_text="refused by both doors from the next request on",
                    ),
                ),
                ("preferences", models.JSONField(blank=True, default=dict)),
                (
                    "closed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="by its owner; a login within 7 days reopens it",
                        null=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WelcomedPerson",
            fields=[
                (
                    "digest",
                    models.CharField(
                        help_text="HMAC of the mailbox, hexadecimal",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
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
                "verbose_name_plural": "welcomed people",
            },
        ),
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="second_factor",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "sealed_seed",
                    models.BinaryField(
                        default=b"", help_text="of TOTP (RFC 6238), encrypted"
                    ),
                ),
                (
                    "pending_seed",
                    models.BinaryField(
                        default=b"",
                        help_text="of the app that is being set up; empty: none is",
                    ),
                ),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_step",
                    models.BigIntegerField(
                        default=0,
                        help_text="time step of the last code taken: none works twice",
                    ),
                ),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, help_text="wrong codes in a row"
                    ),
                ),
                (
                    "rests_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="after wrong codes, none is looked at before",
                        null=True,
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
            name="AuditEntry",
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
                    "actor_id",
                    models.UUIDField(
                        help_text="a user; empty on the command line", null=True
                    ),
                ),
                ("actor_email", models.CharField(blank=True, max_length=254)),
                ("ip", models.GenericIPAddressField(blank=True, null=True)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("action", models.CharField(max_length=40)),
                ("model", models.CharField(blank=True, max_length=80)),
                ("object_id", models.CharField(blank=True, max_length=64)),
                ("object_name", models.CharField(blank=True, max_length=200)),
                ("before", models.JSONField(help_text="secrets are masked", null=True)),
                ("after", models.JSONField(null=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit log",
                "indexes": [
                    models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
                    models.Index(
                        fields=["model", "object_id", "-id"], name="audit_by_object"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LoginChallenge",
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
                ("email", models.EmailField(max_length=254)),
                (
                    "browser",
                    models.CharField(
                        help_text="SHA-256 of the cookie that it is bound to",
                        max_length=64,
                        unique=True,
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="HMAC of the code, hexadecimal", max_length=64
                    ),
                ),
                ("tries_left", models.PositiveSmallIntegerField()),
                ("expires_at", models.DateTimeField()),
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
                        condition=models.Q(("tries_left__gt", 0)),
                        fields=["email"],
                        name="challenge_open",
                    ),
                    models.Index(fields=["expires_at"], name="challenge_age"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("tries_left__gte", 0)),
                        name="tries_are_counted",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LoginSession",
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
                    "session_key",
                    models.CharField(
                        blank=True,
                        help_text="of Django's session; empty once it ended",
                        max_length=40,
                    ),
                ),
                (
                    "device",
                    models.CharField(
                        help_text="SHA-256 of the cookie by which a browser is known again",
                        max_length=64,
                    ),
                ),
                ("ip", models.GenericIPAddressField()),
                ("user_agent", models.CharField(blank=True, max_length=300)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("code", "Code"),
                            ("link", "Link"),
                            ("other", "Other"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "last_seen_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="logins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MailDomain",
            fields=[
                (
                    "domain",
                    models.CharField(
                        help_text="in lower case; those below it are meant too",
                        max_length=253,
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^([a-z0-9-]+\\.)+[a-z0-9-]+\\Z", "Such as mail.com."
                            )
                        ],
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ordinary", "ordinary: so many sign-up grants a day"),
                            ("shared", "shared by the public: no limit for the host"),
                            ("disposable", "disposable: no sign-up grants"),
                        ],
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
            ],
            options={
                "ordering": ["domain"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["ordinary", "shared", "disposable"])
                        ),
                        name="mail_domain_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("domain", django.db.models.functions.text.Lower("domain"))
                        ),
                        name="mail_domain_in_lower_case",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
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
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("member", "Member"),
                        ],
                        default="member",
                        max_length=8,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecoveryCode",
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
                    "digest",
                    models.CharField(
                        help_text="HMAC of the code, hexadecimal", max_length=64
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Workspace",
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
                ("name", models.CharField(max_length=100)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("personal", "Personal"),
                            ("team", "Team"),
                            ("guests", "Guests"),
                            ("operators", "Operators"),
                        ],
                        default="personal",
                        max_length=12,
                    ),
                ),
                (
                    "tier",
                    models.CharField(
                        choices=[("free", "Free"), ("paid", "Paid")],
                        default="free",
                        max_length=8,
                    ),
                ),
                (
                    "is_blocked",
                    models.BooleanField(
                        default=False,
                        help_text="refuses everybody who acts in it, guests too",
                    ),
                ),
                (
                    "closed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="hidden from then on, and emptied 7 days later",
                        null=True,
                    ),
                ),
                (
                    "purged_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="when nothing but its ledger was left",
                        null=True,
                    ),
                ),
                (
                    "rate_synthesis",
                    models.PositiveIntegerField(
                        editable=False,
                        help_text="synthesis requests a minute; empty: the default",
                        null=True,
                    ),
                ),
                (
                    "rate_other",
                    models.PositiveIntegerField(
                        editable=False,
                        help_text="other requests a minute; empty: the default",
                        null=True,
                    ),
                ),
                (
                    "concurrency",
                    models.PositiveIntegerField(
                        editable=False,
                        help_text="scenes spoken at once; empty: the default",
                        null=True,
                    ),
                ),
                (
                    "retention_days",
                    models.PositiveIntegerField(
                        editable=False,
                        help_text="how long the files of a job are kept; empty: the default",
                        null=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "members",
                    models.ManyToManyField(
                        related_name="workspaces",
                        through="accounts.Membership",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="membership",
            name="workspace",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to="accounts.workspace",
            ),
        ),
        migrations.CreateModel(
            name="Invitation",
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
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("member", "Member"),
                        ],
                        max_length=8,
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Export",
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
                    "environment",
                    models.CharField(
                        blank=True,
                        help_text="of the token that asked; empty: both",
                        max_length=10,
                    ),
                ),
                (
                    "file",
                    models.CharField(
                        blank=True, help_text="in the storage", max_length=300
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
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exports",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        blank=True,
                        help_text="of the token that asked; empty: all that the person owns",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
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
                ("name", models.CharField(max_length=100)),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the token, hexadecimal",
                        max_length=64,
                        unique=True,
                    ),
                ),
                (
                    "prefix",
                    models.CharField(
                        help_text="how it begins, to tell it apart", max_length=8
                    ),
                ),
                ("last4", models.CharField(max_length=4)),
                (
                    "environment",
                    models.CharField(
                        blank=True,
                        help_text="bound to one environment; empty: to none",
                        max_length=10,
                    ),
                ),
                (
                    "monthly_credit_limit",
                    models.PositiveBigIntegerField(blank=True, null=True),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "maker",
                    models.ForeignKey(
                        blank=True,
                        help_text="the token that made it, whose limit holds for both together",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.apitoken",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
            },
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", False)),
                fields=["closed_at"],
                name="user_closed",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("email", django.db.models.functions.text.Lower("email"))
                ),
                name="address_in_lower_case",
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["user", "-id"], name="login_list"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["last_seen_at"], name="login_age"),
        ),
        migrations.AddConstraint(
            model_name="loginsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("method__in", ["code", "link", "other"])),
                name="login_method_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverycode",
            constraint=models.UniqueConstraint(
                fields=("user", "digest"), name="recovery_code_once"
            ),
        ),
        migrations.AddIndex(
            model_name="workspace",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", False), ("purged_at", None)),
                fields=["closed_at"],
                name="workspace_to_purge",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["guests", "operators"])),
                fields=("kind",),
                name="one_built_in_workspace_each",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["personal", "team", "guests", "operators"])
                ),
                name="workspace_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(("tier__in", ["free", "paid"])),
                name="workspace_tier_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("closed_at", None),
                    ("kind__in", ["personal", "team"]),
                    _connector="OR",
                ),
                name="built_in_workspaces_stay_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("purged_at", None), ("closed_at__isnull", False), _connector="OR"
                ),
                name="workspace_closed_before_purged",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                fields=("user", "workspace"), name="one_membership_each"
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                condition=models.Q(("role", "owner")),
                fields=("workspace",),
                name="one_owner_each",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "admin", "member"])),
                name="membership_role_known",
            ),
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(fields=["email"], name="invitation_to"),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                fields=("workspace", "email"), name="one_invitation_each"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["admin", "member"])),
                name="invitation_role_known",
            ),
        ),
        migrations.AddIndex(
            model_name="export",
            index=models.Index(fields=["user", "-id"], name="export_list"),
        ),
        migrations.AddIndex(
            model_name="export",
            index=models.Index(fields=["created_at"], name="export_age"),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["queued", "processing"])),
                fields=("user", "workspace", "environment"),
                name="one_export_under_way",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="export",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "completed"), _negated=True),
                    models.Q(
                        models.Q(("file", ""), _negated=True),
                        ("finished_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="export_completed_has_file",
            ),
        ),
        migrations.AddIndex(
            model_name="apitoken",
            index=models.Index(
                condition=models.Q(("revoked_at", None)),
                fields=["workspace", "-id"],
                name="token_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(("environment__in", ["", "PRODUCTION", "SANDBOX"])),
                name="token_environment_known",
            ),
        ),
    ]
