"""The catalogue as clients see it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from providers import catalogue
from providers.models import Provider
from providers.registry import get_provider


class ProviderSerializer(serializers.Serializer[Any]):
    """A provider: what it costs and what it can do."""

    slug = serializers.CharField()
    name = serializers.CharField()
    cost_multiplier = serializers.DecimalField(
        7, 3, help_text="Credits per character; zero with an own key."
    )
    max_characters = serializers.SerializerMethodField(
        help_text="How long a text one call to it takes; longer scenes are split."
    )
    word_timestamps = serializers.SerializerMethodField()
    streaming = serializers.SerializerMethodField(
        help_text="Whether audio arrives before all of it is made."
    )
    own_key = serializers.SerializerMethodField(
        help_text="Whether a workspace may bring its own key."
    )
    available = serializers.SerializerMethodField(
        help_text="Whether it can be used here without an own key."
    )
    guest = serializers.BooleanField(
        source="is_open_to_guests", help_text="Whether guests may use it."
    )

    def get_max_characters(self, provider: Provider) -> int:
        """Return the limit of one call."""
        return get_provider(provider.slug).limit.amount

    @extend_schema_field(serializers.ChoiceField(["exact", "estimated"]))
    def get_word_timestamps(self, provider: Provider) -> str:
        """Return where its word times come from."""
        return get_provider(provider.slug).word_timestamps

    def get_streaming(self, provider: Provider) -> bool:
        """Return whether it streams."""
        return get_provider(provider.slug).streaming

    def get_own_key(self, provider: Provider) -> bool:
        """Return whether it takes keys of customers."""
        return get_provider(provider.slug).own_key

    def get_available(self, provider: Provider) -> bool:
        """Return whether it is set up here."""
        return catalogue.is_available(provider)


class VoiceSerializer(serializers.Serializer[Any]):
    """A voice on offer."""

    id = serializers.CharField(help_text="`provider:the provider's own id`")
    provider = serializers.CharField(source="provider_id")
    name = serializers.CharField()
    language = serializers.CharField(help_text="BCP 47, such as `en-US`")
    gender = serializers.ChoiceField(["female", "male", "neutral", ""])
    description = serializers.CharField()
    sample_url = serializers.URLField(default=None, allow_null=True)


class VoiceFilterSerializer(serializers.Serializer[Any]):
    """What `GET /voices` can be narrowed by."""

    provider = serializers.CharField(required=False, allow_blank=True, max_length=40)
    language = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=35,
        help_text="a language or what it begins with: `en` finds `en-US`",
    )
    gender = serializers.CharField(required=False, allow_blank=True, max_length=10)
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="a part of the id, the name or the description",
    )
