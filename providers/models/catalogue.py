"""Providers and voices, as operators edit them."""

from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from providers.contract import http
from providers.models.querysets import (
    ProviderQuerySet,
    VoiceQuerySet,
)

_SECONDS = [MinValueValidator(0.1)]


class Provider(models.Model):
    """A provider's settings: price, limits, address. Its adapter says what it can do."""

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
        null=True, blank=True, help_text="scenes at once; empty: no limit"
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
        help_text="base URL, with its /v1; empty: the vendor's own",
    )
    region = models.CharField(
        max_length=40, blank=True, help_text="one of the vendor's regions"
    )
    model = models.CharField(
        max_length=200,
        blank=True,
        help_text="for a compatible server: the name of its model; empty: tts-1",
    )
    has_captions = models.BooleanField(
        "captions",
        default=False,
        help_text="for Kokoro-FastAPI: also request word times",
    )
    default_voice = models.ForeignKey(
        "Voice",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="for requests that name the provider but no voice",
    )
    max_concurrent_per_key = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="scenes at once with one key; empty: no limit",
    )
    connect_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="timeout for connecting; empty: 10",
    )
    first_byte_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="timeout for the first byte of audio; empty: 120",
    )
    total_seconds = models.FloatField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="timeout for the whole call; empty: 300",
    )
    daily_ceiling = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="most credits' worth of calls with our key a day (UTC); empty: no limit",
    )
    sandbox_daily_ceiling = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="the same for the sandbox; empty: unavailable there",
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
        """The timeouts of a call, in seconds."""
        defaults = http.LIMITS
        return http.Limits(
            connect=self.connect_seconds or defaults.connect,
            first_byte=self.first_byte_seconds or defaults.first_byte,
            quiet=defaults.quiet,
            total=self.total_seconds or defaults.total,
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
    engine = models.CharField(
        max_length=40,
        blank=True,
        help_text="what speaks it, where its provider has several engines",
    )
    is_recommended = models.BooleanField(
        default=False,
        help_text="the provider's voice for requests that name only its language",
    )
    is_enabled = models.BooleanField(default=True, help_text="set by operators")
    is_offered = models.BooleanField(
        default=True, help_text="whether the provider still lists it"
    )
    is_by_hand = models.BooleanField(
        default=False, help_text="added by an operator; a sync does not change it"
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
