"""Serializers of providers, voices and own keys."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.rest.fields import TextField
from providers.catalogue import access, samples
from providers.contract.base import Failure
from providers.contract.registry import get_adapter
from providers.keys import using
from providers.models import Provider, ProviderKey, Voice


class ProviderSerializer(serializers.Serializer[Any]):
    """A provider: what it costs and what it can do."""

    slug = serializers.CharField()
    name = serializers.CharField()
    cost_multiplier = serializers.DecimalField(
        7, 3, help_text="Credits per character; zero with an own key."
    )
    max_characters = serializers.SerializerMethodField(
        help_text="The longest text for one call; longer scenes are split."
    )
    word_timestamps = serializers.SerializerMethodField()
    streaming = serializers.SerializerMethodField(
        help_text="Whether audio arrives while the rest is still being made."
    )
    own_key = serializers.SerializerMethodField(
        help_text="Whether a workspace may use its own key."
    )
    available = serializers.SerializerMethodField(
        help_text="Whether the caller can use it, with our key or with its own."
    )
    guest = serializers.BooleanField(
        source="is_open_to_guests", help_text="Whether guests may use it."
    )

    def get_max_characters(self, provider: Provider) -> int:
        """Return the longest text for one call, in the adapter's unit."""
        return get_adapter(provider.slug).limit.amount

    @extend_schema_field(serializers.ChoiceField(["exact", "estimated"]))
    def get_word_timestamps(self, provider: Provider) -> str:
        """Return whether the provider's word times are exact or estimated."""
        stated = get_adapter(provider.slug).word_timestamps
        return "exact" if provider.has_captions else stated

    def get_streaming(self, provider: Provider) -> bool:
        """Return whether the provider streams its audio."""
        return get_adapter(provider.slug).streaming

    def get_own_key(self, provider: Provider) -> bool:
        """Return whether the provider accepts customers' own keys."""
        return get_adapter(provider.slug).own_key

    def get_available(self, provider: Provider) -> bool:
        """Return whether the provider is set up here or the caller has a key for it."""
        own = self.context.get("own_keys", {})
        return provider.slug in own or access.is_available(provider)


class VoiceSerializer(serializers.Serializer[Any]):
    """A voice that can be chosen."""

    id = serializers.CharField(help_text="`provider:the provider's own id`")
    provider = serializers.CharField(source="provider_id")
    name = serializers.CharField()
    language = serializers.CharField(help_text="BCP 47, such as `en-US`")
    gender = serializers.ChoiceField(["female", "male", "neutral", ""])
    description = serializers.CharField()
    engine = serializers.CharField(
        help_text="What speaks it, where its provider has several engines."
    )
    is_recommended = serializers.BooleanField(
        help_text="The provider's voice for requests that name only its language."
    )
    sample_url = serializers.SerializerMethodField(
        help_text="A sample sentence in this voice, as MP3; null if there is none."
    )

    def get_sample_url(self, voice: Voice) -> str | None:
        """Return the absolute URL of the voice's sample, or None."""
        path = samples.sample_path(voice)
        return f"{self.context['address']}{path}" if path else None


class VoiceFilterSerializer(serializers.Serializer[Any]):
    """The filters of `GET /voices`."""

    provider = serializers.CharField(required=False, allow_blank=True, max_length=40)
    language = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=35,
        help_text="a language or its first part: `en` finds `en-US`",
    )
    gender = serializers.CharField(required=False, allow_blank=True, max_length=10)
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="part of the id, the name or the description",
    )


class ProviderKeyRequestSerializer(serializers.Serializer[Any]):
    """A request to save an own key."""

    key = TextField(
        is_free=True,
        write_only=True,
        help_text="For Polly: `access key id:secret access key`.",
    )
    region = TextField(
        required=False,
        allow_blank=True,
        default="",
        help_text="One of the provider's regions; Azure and Polly need it.",
    )


class ProviderKeySerializer(serializers.Serializer[Any]):
    """An own key without the key itself, which is never shown."""

    provider = serializers.CharField(source="provider_id")
    last4 = serializers.CharField()
    region = serializers.CharField()
    status = serializers.ChoiceField(ProviderKey.Status.choices)
    checked_at = serializers.DateTimeField()
    failure = serializers.SerializerMethodField(
        help_text="`bad_key` once the provider rejects it; `own_key_suspended` if the"
        " provider's address has changed since it was entered."
    )

    def get_failure(self, row: ProviderKey) -> str | None:
        """Return why the key can't be used now; None if it can."""
        if using.is_suspended(row):
            return Failure.OWN_KEY_SUSPENDED
        return row.failure or None
