"""Shapes of workspaces and their members."""

from typing import Any

from rest_framework import serializers

from accounts.models import Invitation, Membership
from kit.rest.fields import TextField

_ROLES = Membership.Role.choices


class WorkspaceSerializer(serializers.Serializer[Membership]):
    """A workspace, as one of its members sees it."""

    id = serializers.UUIDField(source="workspace_id")
    name = serializers.CharField(source="workspace.name")
    kind = serializers.ChoiceField(
        source="workspace.kind", choices=["personal", "team"]
    )
    tier = serializers.ChoiceField(source="workspace.tier", choices=["free", "paid"])
    role = serializers.ChoiceField(choices=_ROLES, help_text="Of whoever asks.")
    created_at = serializers.DateTimeField(source="workspace.created_at")


class WorkspaceRequestSerializer(serializers.Serializer[Any]):
    """A workspace's name."""

    name = TextField(max_length=100, trim_whitespace=True)


class MemberSerializer(serializers.Serializer[Membership]):
    """Somebody in a workspace."""

    id = serializers.UUIDField(source="user_id", help_text="Of the person.")
    email = serializers.EmailField(source="user.email")
    role = serializers.ChoiceField(choices=_ROLES)
    joined_at = serializers.DateTimeField(source="created_at")


class RoleRequestSerializer(serializers.Serializer[Any]):
    """Another role."""

    role = serializers.ChoiceField(
        choices=_ROLES, help_text="`owner` hands the workspace over."
    )


class InvitationRequestSerializer(serializers.Serializer[Any]):
    """Whom to invite."""

    email = TextField(max_length=254)
    role = serializers.ChoiceField(choices=["admin", "member"], default="member")


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An invitation to a workspace."""

    workspace = serializers.UUIDField(source="workspace_id")

    class Meta:
        model = Invitation
        fields = ["id", "workspace", "email", "role", "expires_at", "created_at"]
        read_only_fields = fields
