"""Serializers of endpoints, events and deliveries."""

from typing import Any

from rest_framework import serializers

from accounts.caller import Environment
from accounts.serializers.tokens import EnvironmentField
from kit.rest.fields import CountedListField, TextField
from webhooks.models import Attempt, DefaultSigner, Delivery, Endpoint
from webhooks.sending import signing


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """An endpoint."""

    environment = serializers.SerializerMethodField(
        help_text="whose events it gets; null for both"
    )
    enabled = serializers.BooleanField(source="is_enabled")
    disabled_because = serializers.SerializerMethodField(
        help_text="null, `owner`, `gone` (it answered 410) or `failing` (for 5 days)"
    )

    class Meta:
        model = Endpoint
        fields = [
            "id",
            "url",
            "events",
            "description",
            "environment",
            "enabled",
            "disabled_because",
            "disabled_at",
            "failing_since",
            "succeeded_at",
            "old_secret_until",
            "created_at",
        ]
        read_only_fields = fields

    def get_environment(self, endpoint: Endpoint) -> Environment | None:
        """Return the environment that the endpoint is bound to, or None."""
        return Environment(endpoint.environment) if endpoint.environment else None

    def get_disabled_because(self, endpoint: Endpoint) -> str | None:
        """Return why the endpoint is disabled; None if it is enabled."""
        return endpoint.disabled_because or None


class EndpointSecretSerializer(EndpointSerializer):
    """An endpoint with its new secret; for the schema only; see
    `webhooks.api.requests.with_secret`.
    """

    secret = serializers.CharField(
        allow_null=True, help_text="Shown once; null when the request is repeated."
    )

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class EventTypeSerializer(serializers.Serializer[Any]):
    """An event type."""

    name = serializers.CharField()
    summary = serializers.CharField()
    example = serializers.DictField(help_text="What `data` looks like.")


class EndpointRequestSerializer(serializers.Serializer[Any]):
    """A new endpoint."""

    url = TextField(is_free=True, max_length=2048)
    events = CountedListField(child=TextField(max_length=60), max_length=100)
    description = TextField(required=False, allow_blank=True, max_length=200)
    environment = EnvironmentField(required=False, default=None)


class EndpointChangeSerializer(serializers.Serializer[Any]):
    """Changes of an endpoint."""

    url = TextField(is_free=True, required=False, max_length=2048)
    events = CountedListField(
        child=TextField(max_length=60), required=False, max_length=100
    )
    description = TextField(required=False, allow_blank=True, max_length=200)
    enabled = serializers.BooleanField(required=False)


class ReplayRequestSerializer(serializers.Serializer[Any]):
    """Which deliveries to send again."""

    since = serializers.DateTimeField(help_text="Replay failures of events since then.")


class ReplayedSerializer(serializers.Serializer[Any]):
    """The number of deliveries that are sent again."""

    replayed = serializers.IntegerField()


class DefaultSecretSerializer(serializers.ModelSerializer[DefaultSigner]):
    """The secret that signs events sent to a job's own `webhook_url`."""

    secret = serializers.SerializerMethodField()

    class Meta:
        model = DefaultSigner
        fields = ["secret", "old_secret_until"]
        read_only_fields = fields

    def get_secret(self, signer: DefaultSigner) -> str:
        """Return the secret in use."""
        return signing.secret_of(signer).reveal_text()


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One call to the endpoint's server."""

    class Meta:
        model = Attempt
        fields = [
            "started_at",
            "duration_ms",
            "url",
            "address",
            "status",
            "failure",
            "answer",
            "next_at",
        ]
        read_only_fields = fields


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """The delivery of an event to one address."""

    event_id = serializers.UUIDField(help_text="the `webhook-id`")
    type = serializers.CharField(source="event.type")
    environment = serializers.SerializerMethodField(
        help_text="of the event; null for a test of an endpoint for both"
    )
    url = serializers.CharField(source="address", help_text="that it is sent to now")
    attempts = serializers.IntegerField(source="tried", help_text="made so far")
    next_attempt_at = serializers.SerializerMethodField()
    last_status = serializers.IntegerField(
        allow_null=True, help_text="of the last attempt's answer"
    )
    last_failure = serializers.CharField(
        allow_null=True, help_text="why the last attempt had no answer"
    )

    class Meta:
        model = Delivery
        fields = [
            "id",
            "event_id",
            "type",
            "environment",
            "endpoint_id",
            "url",
            "status",
            "attempts",
            "next_attempt_at",
            "last_status",
            "last_failure",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields

    def get_environment(self, delivery: Delivery) -> Environment | None:
        """Return the event's environment."""
        name = delivery.event.environment
        return Environment(name) if name else None

    def get_next_attempt_at(self, delivery: Delivery) -> str | None:
        """Return the time of the next attempt; None if there is none."""
        if delivery.status != Delivery.Status.QUEUED:
            return None
        field = serializers.DateTimeField()
        return field.to_representation(delivery.ready_at)


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its body and its attempts."""

    body = serializers.CharField(source="event.text", help_text="exactly as it is sent")
    tries = serializers.SerializerMethodField(help_text="newest first, at most 50")

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "body", "tries"]

    def get_tries(self, delivery: Delivery) -> list[dict[str, Any]]:
        """Return the newest 50 attempts."""
        rows = delivery.tries.order_by("-id")[:50]
        return list(AttemptSerializer(rows, many=True).data)
