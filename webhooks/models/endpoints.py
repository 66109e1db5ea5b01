"""Endpoints that receive events, and the default signing secrets of workspaces."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.caller import Environment
from accounts.models import Workspace
from kit.ids import new_id
from webhooks.models.querysets import EndpointQuerySet


class Signer(models.Model):
    """Base of rows with an encrypted signing secret.

    After a rotation the old secret signs too, until `old_secret_until`. Only
    `webhooks.sending.signing` reads and writes the secrets.
    """

    secret = models.BinaryField(editable=False)
    old_secret = models.BinaryField(null=True, editable=False)
    old_secret_until = models.DateTimeField(
        null=True, editable=False, help_text="both secrets sign until then"
    )

    class Meta:
        abstract = True

    @property
    def has_two_secrets(self) -> bool:
        """Whether the old secret still signs too, after a rotation."""
        until = self.old_secret_until
        return until is not None and timezone.now() < until


class Endpoint(Signer):
    """A customer's URL that receives some types of event."""

    class Off(models.TextChoices):
        """Why an endpoint is disabled."""

        OWNER = "owner", "switched off by its owner"
        OPERATOR = "operator", "switched off by Ozvena"
        GONE = "gone", "it answered 410"
        FAILING = "failing", "it failed for five days"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    url = models.CharField(max_length=2048)
    description = models.CharField(max_length=200, blank=True)
    environment = models.CharField(
        max_length=10,
        blank=True,
        help_text="receives events of this one; empty: of both",
    )
    events = ArrayField(
        models.CharField(max_length=60), help_text="event types that it receives"
    )
    is_enabled = models.BooleanField(default=True)
    disabled_because = models.CharField(max_length=8, choices=Off.choices, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="first failure since the last success"
    )
    failures = models.PositiveIntegerField(
        default=0, help_text="attempts that failed since the last success"
    )
    succeeded_at = models.DateTimeField(null=True, blank=True, help_text="last success")
    rests_until = models.DateTimeField(
        null=True, blank=True, help_text="its server asked us to wait (Retry-After)"
    )
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = EndpointQuerySet.as_manager()
    waiting = 0  # deliveries; counted for pages

    class Meta:
        indexes = [
            models.Index(
                fields=["workspace", "-id"],
                condition=Q(deleted_at=None),
                name="endpoint_list",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_enabled=True, disabled_because="", disabled_at=None)
                | (
                    Q(is_enabled=False, disabled_at__isnull=False)
                    & ~Q(disabled_because="")
                ),
                name="endpoint_says_why_it_is_off",
            ),
            models.CheckConstraint(
                condition=Q(
                    environment__in=["", *(each.value for each in Environment)]
                ),
                name="endpoint_environment_known",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_resting(self) -> bool:
        """Whether deliveries wait because its server asked for a pause (Retry-After)."""
        return self.rests_until is not None and timezone.now() < self.rests_until

    @property
    def lane(self) -> str:
        """Name of the lane in which deliveries to this endpoint wait."""
        return f"endpoint:{self.pk}"


class DefaultSigner(Signer):
    """The secret that signs events sent to a job's own `webhook_url`."""

    workspace = models.OneToOneField(
        Workspace, models.CASCADE, primary_key=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"default secret of {self.workspace_id}"
