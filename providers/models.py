"""The catalogue: which providers and voices are on offer, as operators edit it."""

from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from providers import http
from providers.querysets import (
    PLATFORM,
    ProviderQuerySet,
    UpstreamQuerySet,
    VoiceQuerySet,
)

_SECONDS = [MinValueValidator(0.1)]


class Provider(models.Model):
    """A provider as it is offered here; what it can do stands in its adapter."""

    slug = models.SlugField(primary_key=True, max_length=40)
    name = models.CharField(max_length=80)
    is_enabled = models.BooleanField(default=True)
    cost_multiplier = models.DecimalField(
        max_digits=7,
        decimal_places=3,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal(0))],
        help_text="credits per character",
    )
    is_open_to_guests = models.BooleanField(default=False)
    max_concurrent = models.PositiveIntegerField(
        null=True, blank=True, help_text="scenes at the same time; empty: no limit"
    )
    base_url = models.CharField(
        "address",
        max_length=300,
        blank=True,
        validators=[
            RegexValidator(
                r"^https?://[\w.:\[\]-]+(/[\w./~-]*)?\Z", "Such as http://host:8880/v1."
            )
        ],
        help_text="where it is called, with its /v1; empty: where the vendor is",
    )
    region = models.CharField(max_length=40, blank=True, help_text="of the vendor's")
    max_concurrent_per_key = models.PositiveIntegerField(
        null=True, blank=True, help_text="of these with one key; empty: no limit"
    )
    connect_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="to connect; empty: the usual 10",
    )
    first_byte_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="to the first byte of audio; empty: the usual 120",
    )
    total_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="of waiting in all; empty: the usual 300",
    )
    daily_ceiling = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="credits' worth of calls with our key a day (UTC); empty: no limit",
    )
    sandbox_daily_ceiling = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="the same for the sandbox; empty: it does not speak there",
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["name", "slug"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(cost_multiplier__gte=0), name="price_not_negative"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limits(self) -> http.Limits:
        """How long a call may wait."""
        usual = http.LIMITS
        return http.Limits(
            connect=self.connect_seconds or usual.connect,
            first_byte=self.first_byte_seconds or usual.first_byte,
            quiet=usual.quiet,
            total=self.total_seconds or usual.total,
        )


class Voice(models.Model):
    """A voice; its id is `provider:the provider's own id`."""

    id = models.CharField(primary_key=True, max_length=200)
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="voices")
    provider_voice = models.CharField(max_length=160, help_text="the provider's own id")
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=35, help_text="BCP 47")
    gender = models.CharField(max_length=10, blank=True)
    description = models.CharField(max_length=500, blank=True)
    is_enabled = models.BooleanField(default=True, help_text="set by operators")
    is_offered = models.BooleanField(
        default=True, help_text="whether the provider still lists it"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = VoiceQuerySet.as_manager()

    class Meta:
        ordering = ["language", "name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "provider_voice"], name="one_row_per_voice"
            )
        ]

    def __str__(self) -> str:
        return self.id


class Upstream(models.Model):
    """A provider in one region with one credential, and how its last calls went.

    `providers.upstreams` is the only writer. Rows hold no secret and are kept.
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
        null=True, blank=True, help_text="nobody calls before; then one call tries"
    )
    reason = models.CharField(max_length=20, blank=True, help_text="why it opened")
    openings = models.PositiveIntegerField(default=0, help_text="pauses since then")
    probe = models.CharField(max_length=80, blank=True, help_text="who tries now")
    in_a_row = models.PositiveIntegerField(
        default=0, help_text="failures without a success between them"
    )
    window_at = models.DateTimeField(db_default=Now())
    window_calls = models.PositiveIntegerField(default=0)
    window_failures = models.PositiveIntegerField(default=0)
    retry_allowance = models.FloatField(default=10.0, help_text="retries left")
    retries_at = models.DateTimeField(db_default=Now())
    calls = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0, help_text="that these calls took")
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
        """Closed, open, or half-open: what a call meets now."""
        if self.open_until is None:
            return "closed"
        return "open" if self.open_until > timezone.now() else "half-open"
