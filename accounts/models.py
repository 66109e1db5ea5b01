"""Users, the workspaces that own everything, and API tokens."""

from typing import ClassVar, Self

from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    PermissionsMixin,
)
from django.db import models
from django.db.models.functions import Lower, Now

from accounts.querysets import ApiTokenQuerySet
from kit.ids import new_id


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

    def __str__(self) -> str:
        return self.email


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
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's place in a workspace."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        MEMBER = "member"

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace"], name="one_membership_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


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
            models.CheckConstraint(
                condition=models.Q(environment__in=["", "PRODUCTION", "SANDBOX"]),
                name="token_environment_known",
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
