"""API tokens, stored as SHA-256 hashes."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import second_factor  # noqa: F401 - more tables of this app
from accounts.models.choices import one_of
from accounts.models.querysets import ApiTokenQuerySet
from accounts.models.users import User
from accounts.models.workspaces import Workspace
from kit.ids import new_id


class ApiToken(models.Model):
    """An API token of one workspace, with its creator's role there; stored as a hash."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="tokens")
    created_by = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the token, hexadecimal"
    )
    prefix = models.CharField(
        max_length=8, help_text="its first characters, to recognize it"
    )
    last4 = models.CharField(max_length=4)
    environment = models.CharField(
        max_length=10, blank=True, help_text="the only environment; empty: both"
    )
    monthly_credit_limit = models.PositiveBigIntegerField(null=True, blank=True)
    maker = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the token that created it: its limit holds for both, and its end too",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    creators_role: str
    """Current role of `created_by` in `workspace`; set by `accounts.tokens.find`."""

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        constraints = [
            one_of("token_environment_known", environment=["", "PRODUCTION", "SANDBOX"])
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
