"""Upstreams: the state of the breaker for each provider, region and credential."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from providers.models.catalogue import Provider
from providers.models.querysets import (
    PLATFORM,
    UpstreamQuerySet,
)


class Upstream(models.Model):
    """A provider in one region with one credential, and statistics of its last calls.

    Only `providers.limits.upstreams` writes these rows. They hold no secret and are kept.
    """

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="upstreams")
    region = models.CharField(max_length=40, blank=True)
    credential = models.CharField(
        max_length=80, default=PLATFORM, help_text="whose key: ours, or a customer's"
    )
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="when it opened; empty while it is closed"
    )
    open_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="no calls before; then one probe",
    )
    reason = models.CharField(max_length=20, blank=True, help_text="why it opened")
    openings = models.PositiveIntegerField(
        default=0, help_text="pauses since it opened"
    )
    probe = models.CharField(
        max_length=80, blank=True, help_text="holder of the current probe"
    )
    in_a_row = models.PositiveIntegerField(
        default=0, help_text="failures since the last success"
    )
    window_at = models.DateTimeField(db_default=Now())
    window_calls = models.PositiveIntegerField(default=0)
    window_failures = models.PositiveIntegerField(default=0)
    retry_allowance = models.FloatField(default=10.0, help_text="retries left")
    retries_at = models.DateTimeField(db_default=Now())
    calls = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0, help_text="time that these calls took")
    failures = models.JSONField(default=dict, blank=True, help_text="calls by kind")
    recent = models.JSONField(default=list, blank=True, help_text="the last failures")

    objects = UpstreamQuerySet.as_manager()

    class Meta:
        ordering = ["provider", "region", "credential"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "region", "credential"], name="one_row_per_upstream"
            ),
            models.CheckConstraint(
                condition=models.Q(failing_since=None, open_until=None, probe="")
                | models.Q(failing_since__isnull=False, open_until__isnull=False),
                name="upstream_open_or_closed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["open_until"],
                condition=models.Q(failing_since__isnull=False),
                name="upstream_failing",
            )
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.provider_id, self.region, self.credential]))

    @property
    def state(self) -> str:
        """The state of the breaker now: closed, open or half-open."""
        if self.open_until is None:
            return "closed"
        return "open" if self.open_until > timezone.now() else "half-open"
