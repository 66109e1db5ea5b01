"""Shapes of requests and answers."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.caller import Caller, Environment, Role
from accounts.models import ApiToken, LoginSession, User
from accounts.people.workspaces import entered_by
from kit.rest.fields import TextField, WholeNumberField

_MOST_CREDITS = 10**15


class EnvironmentField(serializers.ChoiceField):
    """PRODUCTION or SANDBOX, in any letter case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=[name.value for name in Environment], allow_null=True, **kwargs
        )

    def to_internal_value(self, data: Any) -> str:
        """Return the environment's name."""
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
        """Return the environment that the token is bound to, null for none."""
        return Environment(token.environment) if token.environment else None


class NewTokenSerializer(TokenSerializer):
    """A token that was just made."""

    token = serializers.CharField(
        allow_null=True,
        help_text="Its text, told this once; null when the answer is a replay.",
    )

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields


class TokenRequestSerializer(serializers.Serializer[Any]):
    """A new API token."""

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
        """Refuse a token that would be born dead."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This moment has passed.")
        return value


class CodeRequestSerializer(serializers.Serializer[Any]):
    """Whom to mail a login code."""

    email = TextField(max_length=254)


class LoginRequestSerializer(serializers.Serializer[Any]):
    """The code that was mailed, and to whom."""

    email = TextField(max_length=254)
    code = TextField(max_length=20, help_text="Spaces within are left out.")

    def validate_code(self, value: str) -> str:
        """Return the digits alone, as people copy them with spaces."""
        return "".join(value.split())


class PersonSerializer(serializers.ModelSerializer[User]):
    """A person who has just logged in."""

    role = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "email", "role", "preferences"]
        read_only_fields = fields

    def get_role(self, user: User) -> Role:
        """Return what the person is in their own workspace."""
        place = entered_by(user)
        return Caller(place.workspace, user=user, member_role=place.role).role


class NewLoginSerializer(serializers.Serializer[Any]):
    """The answer to a right code; the session's cookie comes with it."""

    user = PersonSerializer()


class LoginSerializer(serializers.ModelSerializer[LoginSession]):
    """One login of the person who asks."""

    current = serializers.SerializerMethodField(
        help_text="Whether it is the login that asks."
    )

    class Meta:
        model = LoginSession
        fields = [
            "id",
            "ip",
            "user_agent",
            "method",
            "started_at",
            "last_seen_at",
            "ended_at",
            "current",
        ]
        read_only_fields = fields

    def get_current(self, row: LoginSession) -> bool:
        """Return whether it is the request's own."""
        return bool(str(row.pk) == self.context["current"])
