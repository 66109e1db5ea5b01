"""Serializers of workspaces, members and invitations."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Invitation, Membership
from accounts.people.storage import storage_of
from kit.rest.fields import TextField

_ROLES = Membership.Role.choices


class StorageSerializer(serializers.Serializer[Any]):
    """How much of the storage of a workspace its files fill."""

    used_bytes = serializers.IntegerField()
    limit_bytes = serializers.IntegerField()


class WorkspaceSerializer(serializers.Serializer[Membership]):
    """A workspace, as one of its members sees it."""

    id = serializers.UUIDField(source="workspace_id")
    name = serializers.CharField(source="workspace.name")
    kind = serializers.ChoiceField(
        source="workspace.kind", choices=["personal", "team"]
    )
    tier = serializers.ChoiceField(source="workspace.tier", choices=["free", "paid"])
    role = serializers.ChoiceField(choices=_ROLES, help_text="Your role.")
    storage = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="workspace.created_at")

    @extend_schema_field(StorageSerializer)
    def get_storage(self, membership: Membership) -> dict[str, int]:
        """Return what the workspace stores and may store, in bytes."""
        storage = storage_of(membership.workspace)
        return {"used_bytes": storage.used, "limit_bytes": storage.limit}


class WorkspaceRequestSerializer(serializers.Serializer[Any]):
    """The name of a new or renamed workspace."""

    name = TextField(max_length=100, trim_whitespace=True)


class MemberSerializer(serializers.Serializer[Membership]):
    """A member of a workspace."""

    id = serializers.UUIDField(source="user_id", help_text="The user's id.")
    email = serializers.EmailField(source="user.email")
    role = serializers.ChoiceField(choices=_ROLES)
    joined_at = serializers.DateTimeField(source="created_at")


class RoleRequestSerializer(serializers.Serializer[Any]):
    """The new role of a member."""

    role = serializers.ChoiceField(
        choices=_ROLES, help_text="`owner` hands the workspace over."
    )


class InvitationRequestSerializer(serializers.Serializer[Any]):
    """The email address to invite, and its role."""

    email = TextField(max_length=254)
    role = serializers.ChoiceField(choices=["admin", "member"], default="member")


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An invitation to a workspace."""

    workspace = serializers.UUIDField(source="workspace_id")

    class Meta:
        model = Invitation
        fields = ["id", "workspace", "email", "role", "expires_at", "created_at"]
        read_only_fields = fields
