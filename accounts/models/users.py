"""Users, the workspaces that own everything, API tokens, logins and the audit log."""

from typing import Any, ClassVar, Self

from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    PermissionsMixin,
)
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now

from accounts.models.querysets import ApiTokenQuerySet, LoginSessionQuerySet
from accounts.roles import MemberRole
from kit.ids import new_id
from kit.models import Claimable


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by an email address; `signup.sign_up` makes them.

    Nobody has a password. The unusable one is still of use: a new one ends all sessions.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="opens the admin")
    is_blocked = models.BooleanField(
        default=False, help_text="refused by both doors from the next request on"
    )
    preferences = models.JSONField(default=dict, blank=True)
    closed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="by its owner; a login within 7 days reopens it",
    )
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[BaseUserManager[Self]] = BaseUserManager()

    EMAIL_FIELD = USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="address_in_lower_case"
            )
        ]
        indexes = [
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_at__isnull=False),
                name="user_closed",
            )
        ]

    def __str__(self) -> str:
        return self.email


def _one_of(name: str, **values: list[str]) -> models.CheckConstraint:
    """Return the constraint that a column holds one of its values."""
    known = {f"{column}__in": allowed for column, allowed in values.items()}
    return models.CheckConstraint(condition=models.Q(**known), name=name)


def _from_plan(meaning: str) -> Any:
    """Return a column that billing keeps in step with the plan; empty: as settings say."""
    return models.PositiveIntegerField(
        null=True, editable=False, help_text=f"{meaning}; empty: the default"
    )


class Workspace(models.Model):
    """The tenant: jobs, money, tokens and keys belong to it, people are its members."""

    class Kind(models.TextChoices):
        PERSONAL = "personal"
        TEAM = "team"
        GUESTS = "guests"  # one for all visitors without an account
        OPERATORS = "operators"  # one for ADMIN_ACCESS_KEY

    class Tier(models.TextChoices):
        FREE = "free"
        PAID = "paid"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PERSONAL)
    tier = models.CharField(max_length=8, choices=Tier.choices, default=Tier.FREE)
    is_blocked = models.BooleanField(
        default=False, help_text="refuses everybody who acts in it, guests too"
    )
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="hidden from then on, and emptied 7 days later"
    )
    purged_at = models.DateTimeField(
        null=True, blank=True, help_text="when nothing but its ledger was left"
    )
    rate_synthesis = _from_plan("synthesis requests a minute")
    rate_other = _from_plan("other requests a minute")
    concurrency = _from_plan("scenes spoken at once")
    retention_days = _from_plan("how long the files of a job are kept")
    created_at = models.DateTimeField(db_default=Now())
    members = models.ManyToManyField(
        User, through="Membership", related_name="workspaces"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=models.Q(kind__in=["guests", "operators"]),
                name="one_built_in_workspace_each",
            ),
            _one_of(
                "workspace_kind_known", kind=["personal", "team", "guests", "operators"]
            ),
            _one_of("workspace_tier_known", tier=["free", "paid"]),
            models.CheckConstraint(
                condition=models.Q(closed_at=None)
                | models.Q(kind__in=["personal", "team"]),
                name="built_in_workspaces_stay_open",
            ),
            models.CheckConstraint(
                condition=models.Q(purged_at=None) | models.Q(closed_at__isnull=False),
                name="workspace_closed_before_purged",
            ),
        ]
        indexes = [
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_at__isnull=False, purged_at=None),
                name="workspace_to_purge",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's place in a workspace."""

    Role = MemberRole

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace"], name="one_membership_each"
            ),
            models.UniqueConstraint(
                fields=["workspace"],
                condition=models.Q(role="owner"),
                name="one_owner_each",
            ),
            # A trigger lets nobody but an owner into a personal workspace, and so one
            # person alone.
            _one_of("membership_role_known", role=["owner", "admin", "member"]),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


class Invitation(models.Model):
    """A place in a workspace that waits for somebody; who has the address may take it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=8, choices=Membership.Role.choices)
    invited_by = models.ForeignKey(User, models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"], name="one_invitation_each"
            ),
            # Nobody is invited to own.
            _one_of("invitation_role_known", role=["admin", "member"]),
        ]
        indexes = [models.Index(fields=["email"], name="invitation_to")]

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace}: {self.role}"


class WelcomedPerson(models.Model):
    """Somebody who was given the sign-up grant: see `accounts.people.welcome`.

    It names nobody and outlives the account, so that closing it and signing up again
    brings no second grant.
    """

    digest = models.CharField(
        primary_key=True, max_length=64, help_text="HMAC of the mailbox, hexadecimal"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "welcomed people"

    def __str__(self) -> str:
        return self.digest[:12]


class MailDomain(models.Model):
    """An operator's word about a host of mail addresses: see `accounts.people.mail_domains`."""

    class Kind(models.TextChoices):
        ORDINARY = "ordinary", "ordinary: so many sign-up grants a day"
        SHARED = "shared", "shared by the public: no limit for the host"
        DISPOSABLE = "disposable", "disposable: no sign-up grants"

    domain = models.CharField(
        primary_key=True,
        max_length=253,
        validators=[
            RegexValidator(r"^([a-z0-9-]+\.)+[a-z0-9-]+\Z", "Such as mail.com.")
        ],
        help_text="in lower case; those below it are meant too",
    )
    kind = models.CharField(max_length=12, choices=Kind.choices)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["domain"]
        constraints = [
            _one_of(
                "mail_domain_kind_known", kind=["ordinary", "shared", "disposable"]
            ),
            models.CheckConstraint(
                condition=models.Q(domain=Lower("domain")),
                name="mail_domain_in_lower_case",
            ),
        ]

    def __str__(self) -> str:
        return self.domain


class ApiToken(models.Model):
    """A program's key to one workspace, with its creator's role there; kept as a hash."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="tokens")
    created_by = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the token, hexadecimal"
    )
    prefix = models.CharField(max_length=8, help_text="how it begins, to tell it apart")
    last4 = models.CharField(max_length=4)
    environment = models.CharField(
        max_length=10, blank=True, help_text="bound to one environment; empty: to none"
    )
    monthly_credit_limit = models.PositiveBigIntegerField(null=True, blank=True)
    maker = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the token that made it, whose limit holds for both together",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    creators_role: str
    """Of `created_by` in `workspace`, at the moment of the request: see `tokens.find`."""

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        constraints = [
            _one_of(
                "token_environment_known", environment=["", "PRODUCTION", "SANDBOX"]
            )
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-id"],
                condition=models.Q(revoked_at=None),
                name="token_list",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last4})"


class LoginChallenge(models.Model):
    """A login code that was mailed: for one address, in one browser, for a few tries."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField()
    browser = models.CharField(
        max_length=64,
        unique=True,
        help_text="SHA-256 of the cookie that it is bound to",
    )
    code = models.CharField(max_length=64, help_text="HMAC of the code, hexadecimal")
    tries_left = models.PositiveSmallIntegerField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tries_left__gte=0), name="tries_are_counted"
            )
        ]
        indexes = [
            models.Index(
                fields=["email"],
                condition=models.Q(tries_left__gt=0),
                name="challenge_open",
            ),
            models.Index(fields=["expires_at"], name="challenge_age"),
        ]

    def __str__(self) -> str:
        return f"login of {self.email}"


class LoginSession(models.Model):
    """One login, from its beginning to its end: a person's login history."""

    class Method(models.TextChoices):
        CODE = "code"
        LINK = "link"
        OTHER = "other"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="logins")
    session_key = models.CharField(
        max_length=40, blank=True, help_text="of Django's session; empty once it ended"
    )
    device = models.CharField(
        max_length=64,
        help_text="SHA-256 of the cookie by which a browser is known again",
    )
    ip = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=300, blank=True)
    method = models.CharField(max_length=8, choices=Method.choices)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = LoginSessionQuerySet.as_manager()

    class Meta:
        constraints = [_one_of("login_method_known", method=["code", "link", "other"])]
        indexes = [
            models.Index(fields=["user", "-id"], name="login_list"),
            models.Index(fields=["last_seen_at"], name="login_age"),
        ]

    def __str__(self) -> str:
        return f"login of {self.user_id} from {self.ip}"


class SecondFactor(models.Model):
    """An operator's authenticator app.

    One that waits for its first code opens nothing, and leaves the one before in force.
    """

    user = models.OneToOneField(
        User, models.CASCADE, primary_key=True, related_name="second_factor"
    )
    sealed_seed = models.BinaryField(
        default=b"", help_text="of TOTP (RFC 6238), encrypted"
    )
    pending_seed = models.BinaryField(
        default=b"", help_text="of the app that is being set up; empty: none is"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(
        default=0, help_text="time step of the last code taken: none works twice"
    )
    failures = models.PositiveIntegerField(default=0, help_text="wrong codes in a row")
    rests_until = models.DateTimeField(
        null=True, blank=True, help_text="after wrong codes, none is looked at before"
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class RecoveryCode(models.Model):
    """A code that stands in for a lost authenticator, once."""

    user = models.ForeignKey(User, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, help_text="HMAC of the code, hexadecimal")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "digest"], name="recovery_code_once"
            )
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"


class Export(Claimable):
    """An archive of somebody's data, made by a worker: see `accounts.people.exports`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="exports")
    workspace = models.ForeignKey(
        Workspace,
        models.CASCADE,
        related_name="+",
        null=True,
        blank=True,
        help_text="of the token that asked; empty: all that the person owns",
    )
    environment = models.CharField(
        max_length=10, blank=True, help_text="of the token that asked; empty: both"
    )
    file = models.CharField(max_length=300, blank=True, help_text="in the storage")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace", "environment"],
                condition=models.Q(status__in=["queued", "processing"]),
                nulls_distinct=False,
                name="one_export_under_way",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="completed")
                | (~models.Q(file="") & models.Q(finished_at__isnull=False)),
                name="export_completed_has_file",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="export_list"),
            models.Index(fields=["created_at"], name="export_age"),
        ]

    def __str__(self) -> str:
        return f"data of {self.user_id}"


class AuditEntry(models.Model):
    """What an operator did. Triggers refuse to change it, or to remove it before its time.

    It names people and things without foreign keys, so that it outlives them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    actor_id = models.UUIDField(
        null=True, help_text="a user; empty on the command line"
    )
    actor_email = models.CharField(max_length=254, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=40)
    model = models.CharField(max_length=80, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True, help_text="secrets are masked")
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
            models.Index(fields=["model", "object_id", "-id"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_email or 'command line'}: {self.action} {self.object_name}"
