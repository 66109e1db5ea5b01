"""Shapes of requests and answers."""

from typing import Any

from rest_framework import serializers

from accounts.caller import Caller, Role
from accounts.models import LoginSession, User
from accounts.people.workspaces import membership_of
from kit.rest.fields import TextField


class CodeRequestSerializer(serializers.Serializer[Any]):
    """Whom to mail a login code."""

    email = TextField(max_length=254)


class LoginRequestSerializer(serializers.Serializer[Any]):
    """The code that was mailed, and to whom."""

    email = TextField(max_length=254)
    code = TextField(
        max_length=20, help_text="Spaces and dashes between the digits are left out."
    )


class PersonSerializer(serializers.ModelSerializer[User]):
    """A person who has just logged in."""

    role = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "email", "role", "preferences"]
        read_only_fields = fields

    def get_role(self, user: User) -> Role:
        """Return what the person is in their own workspace."""
        membership = membership_of(user)
        return Caller(membership.workspace, user=user, member_role=membership.role).role


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
