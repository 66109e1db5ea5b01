"""Serializers of API tokens."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.caller import Environment
from accounts.models import ApiToken
from kit.rest.fields import TextField, WholeNumberField

_MOST_CREDITS = 10**15


class EnvironmentField(serializers.ChoiceField):
    """PRODUCTION or SANDBOX, case-insensitive."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=[name.value for name in Environment], allow_null=True, **kwargs
        )

    def to_internal_value(self, data: Any) -> str:
        """Return the environment's name in upper case."""
        return str(
            super().to_internal_value(data.upper() if isinstance(data, str) else data)
        )


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """An API token, without its text."""

    environment = serializers.SerializerMethodField()

    class Meta:
        model = ApiToken
        fields = [
            "id",
            "name",
            "prefix",
            "last4",
            "environment",
            "monthly_credit_limit",
            "expires_at",
            "last_used_at",
            "created_at",
        ]
        read_only_fields = fields

    def get_environment(self, token: ApiToken) -> Environment | None:
        """Return the environment to which the token is bound; null for none."""
        return Environment(token.environment) if token.environment else None


class NewTokenSerializer(TokenSerializer):
    """A new API token, with its text."""

    token = serializers.CharField(
        allow_null=True,
        help_text="The token's text, sent only once; null if the answer is a replay.",
    )

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields


class TokenRequestSerializer(serializers.Serializer[Any]):
    """A request for a new API token."""

    name = TextField(max_length=100, trim_whitespace=True)
    environment = EnvironmentField(required=False, default=None)
    expires_at = serializers.DateTimeField(
        required=False, default=None, allow_null=True
    )
    monthly_credit_limit = WholeNumberField(
        required=False,
        default=None,
        allow_null=True,
        min_value=0,
        max_value=_MOST_CREDITS,
    )

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Require an expiry in the future."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time is in the past.")
        return value
