"""Serializers of login requests and responses."""

from typing import Any

from rest_framework import serializers

from accounts.caller import Caller, Role
from accounts.models import LoginSession, User
from accounts.people.workspaces import membership_of
from kit.rest.fields import TextField


class CodeRequestSerializer(serializers.Serializer[Any]):
    """The email address to which a login code is sent."""

    email = TextField(max_length=254)


class LoginRequestSerializer(serializers.Serializer[Any]):
    """The mailed code and its email address."""

    email = TextField(max_length=254)
    code = TextField(
        is_free=True,
        max_length=20,
        help_text="Spaces and dashes between the digits are left out.",
    )


class PersonSerializer(serializers.ModelSerializer[User]):
    """The user who has just logged in."""

    role = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "email", "role", "preferences"]
        read_only_fields = fields

    def get_role(self, user: User) -> Role:
        """Return the user's product role in the personal workspace."""
        membership = membership_of(user)
        return Caller(membership.workspace, user=user, member_role=membership.role).role


class NewLoginSerializer(serializers.Serializer[Any]):
    """The answer to a correct code; the response also sets the session cookie."""

    user = PersonSerializer()


class LoginSerializer(serializers.ModelSerializer[LoginSession]):
    """A login of the user."""

    current = serializers.SerializerMethodField(
        help_text="Whether this login sent the request."
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
        """Return whether it is the login that sent the request."""
        return bool(str(row.pk) == self.context["current"])
