"""The catalogue as operators edit it, and the keys that workspaces bring along."""

import hashlib
from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.models import User, Workspace
from kit.ids import new_id
from kit.models import Claimable
from providers.contract import http
from providers.contract.base import KeyStatus
from providers.models.querysets import (
    PLATFORM,
    ProviderKeyQuerySet,
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
    model = models.CharField(
        max_length=200,
        blank=True,
        help_text="of a compatible server, in its own words; empty: tts-1",
    )
    has_captions = models.BooleanField(
        "captions",
        default=False,
        help_text="of Kokoro-FastAPI: ask it for word times, too",
    )
    default_voice = models.ForeignKey(
        "Voice",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="who speaks when a request names the provider alone",
    )
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
    is_by_hand = models.BooleanField(
        default=False, help_text="added by an operator: no sync changes it"
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


class Sample(Claimable):
    """A sentence in a voice, made once and kept; `synthesis.samples.making` makes it.

    Visitors may have those of the built-in voices made, operators any.
    """

    HOLDER = "sample:"
    """What the names of its holders begin with; those of scenes never do."""

    voice = models.OneToOneField(
        Voice, models.CASCADE, primary_key=True, related_name="sample"
    )
    file = models.CharField(max_length=300, blank=True, help_text="name in the storage")
    error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="completed") | ~models.Q(file=""),
                name="sample_completed_has_audio",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="processing")
                | models.Q(lease_until__isnull=False),
                name="sample_processing_is_leased",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ready_at"],
                condition=models.Q(status="queued"),
                name="sample_waiting",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status="processing"),
                name="sample_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"sample of {self.voice_id}"

    @property
    def holder(self) -> str:
        """This sample as held by this claim, for `providers.limits.upstreams`."""
        voice = hashlib.sha256(self.voice_id.encode()).hexdigest()[:32]
        return f"{self.HOLDER}{voice}:{self.fence}"


_ALIAS = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]*\Z", "Lower case: letters, digits, dots, hyphens."
)


class ModelAlias(models.Model):
    """A model's name as other people's clients say it, such as `tts-1`."""

    name = models.CharField(primary_key=True, max_length=80, validators=[_ALIAS])
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    model = models.CharField(
        max_length=80, blank=True, help_text="the provider's own; empty: its usual one"
    )

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "model aliases"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(name=Lower("name")), name="model_alias_in_lower_case"
            )
        ]

    def __str__(self) -> str:
        return self.name


class VoiceAlias(models.Model):
    """A voice's name as other people's clients say it, such as `alloy`.

    Each provider may have a voice of that name, so it is looked for where the request is.
    """

    name = models.CharField(max_length=80, validators=[_ALIAS])
    voice = models.ForeignKey(Voice, models.CASCADE, related_name="aliases")

    class Meta:
        ordering = ["name", "voice"]
        verbose_name_plural = "voice aliases"
        constraints = [
            models.UniqueConstraint(
                "name",
                # A voice's id begins with its provider.
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
            models.CheckConstraint(
                condition=models.Q(name=Lower("name")), name="voice_alias_in_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} → {self.voice_id}"


class ProviderKey(models.Model):
    """A workspace's own key for a provider; read and written by `providers.keys.using` alone."""

    class Status(models.TextChoices):
        VALID = KeyStatus.VALID.value
        RESTRICTED = KeyStatus.RESTRICTED.value, "good for speaking alone"
        UNKNOWN = KeyStatus.UNKNOWN.value, "the provider doesn't tell"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="provider_keys"
    )
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    sealed_key = models.BinaryField(editable=False)
    last4 = models.CharField(max_length=4)
    region = models.CharField(max_length=40, blank=True, help_text="of the vendor's")
    status = models.CharField(max_length=10, choices=Status.choices)
    checked_at = models.DateTimeField(help_text="when the provider last spoke of it")
    tried_at = models.DateTimeField(
        null=True, blank=True, help_text="when the nightly check last came to it"
    )
    due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when a worker is called to look at it, if none has come",
    )
    failure = models.CharField(
        max_length=20, blank=True, help_text="why it is of no use now"
    )
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="when that was found out"
    )
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = ProviderKeyQuerySet.as_manager()

    class Meta:
        ordering = ["provider"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "provider"], name="one_own_key_each"
            ),
            models.CheckConstraint(
                condition=models.Q(region__regex=r"^[a-z0-9-]*$"),
                name="own_key_region_is_a_word",
            ),
            models.CheckConstraint(
                condition=models.Q(failure="", failed_at=None)
                | (~models.Q(failure="") & models.Q(failed_at__isnull=False)),
                name="own_key_failure_dated",
            ),
        ]
        indexes = [
            models.Index(fields=["checked_at"], name="own_key_checks"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
                name="own_key_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} …{self.last4}"


class Upstream(models.Model):
    """A provider in one region with one credential, and how its last calls went.

    `providers.limits.upstreams` is the only writer. Rows hold no secret and are kept.
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
