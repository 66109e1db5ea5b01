"""Workspaces, their members and invitations."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import second_factor  # noqa: F401 - more tables of this app
from accounts.models.choices import from_plan, one_of
from accounts.models.querysets import MembershipQuerySet, WorkspaceQuerySet
from accounts.models.users import User
from accounts.roles import MemberRole
from kit.ids import new_id


class Workspace(models.Model):
    """The tenant: jobs, money, tokens and keys belong to it; users are its members."""

    class Kind(models.TextChoices):
        PERSONAL = "personal"
        TEAM = "team"
        MOBILE = "mobile"  # of one customer of the app; it has no members
        GUESTS = "guests"  # the only one, for all visitors without an account
        OPERATORS = "operators"  # the only one, for ADMIN_ACCESS_KEY

    class Tier(models.TextChoices):
        FREE = "free"
        PAID = "paid"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PERSONAL)
    tier = models.CharField(max_length=8, choices=Tier.choices, default=Tier.FREE)
    is_blocked = models.BooleanField(
        default=False, help_text="refuses all requests to it, also of guests"
    )
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="hidden from then on; purged 7 days later"
    )
    purged_at = models.DateTimeField(
        null=True, blank=True, help_text="when all data except its ledger was deleted"
    )
    rate_synthesis = from_plan("synthesis requests per minute")
    rate_other = from_plan("other requests per minute")
    concurrency = from_plan("scenes spoken at the same time")
    retention_days = from_plan("days for which the files of a job are kept")
    storage_mb = from_plan("megabytes of files that are kept")
    created_at = models.DateTimeField(db_default=Now())
    members = models.ManyToManyField(
        User, through="Membership", related_name="workspaces"
    )

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=models.Q(kind__in=["guests", "operators"]),
                name="one_built_in_workspace_each",
            ),
            one_of(
                "workspace_kind_known",
                kind=["personal", "team", "mobile", "guests", "operators"],
            ),
            one_of("workspace_tier_known", tier=["free", "paid"]),
            models.CheckConstraint(
                condition=models.Q(closed_at=None)
                | models.Q(kind__in=["personal", "team", "mobile"]),
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


class StorageUsage(models.Model):
    """How much a workspace stores; triggers of the tables with files keep the sum."""

    workspace = models.OneToOneField(
        Workspace, models.CASCADE, primary_key=True, related_name="storage"
    )
    stored_bytes = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.stored_bytes} bytes"


class Membership(models.Model):
    """A user's membership of a workspace, with a role."""

    Role = MemberRole

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(db_default=Now())

    objects = MembershipQuerySet.as_manager()

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
            # A trigger allows only an owner in a personal workspace, so it has exactly
            # one member.
            one_of("membership_role_known", role=MemberRole.values),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


class Invitation(models.Model):
    """An invitation to a workspace; the user with its email address may accept it."""

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
            # An owner is never invited; ownership is handed over.
            one_of("invitation_role_known", role=["admin", "member"]),
        ]
        indexes = [models.Index(fields=["email"], name="invitation_to")]

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace}: {self.role}"
