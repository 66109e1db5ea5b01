"""API of workspaces, members and invitations.

`accounts.people.teams` checks the permissions. Changes of members require a fresh login, so
tokens can't make them.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import HasFreshLogin, IsUser, NotSandboxToken
from accounts.models import Invitation, Membership
from accounts.people import teams
from accounts.serializers.workspaces import (
    InvitationRequestSerializer,
    InvitationSerializer,
    MemberSerializer,
    RoleRequestSerializer,
    WorkspaceRequestSerializer,
    WorkspaceSerializer,
)
from kit import idempotency


def _validated(serializer: Any, request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    fields: dict[str, Any] = asked.validated_data
    return fields


class WorkspacesView(GenericAPIView[Membership]):
    serializer_class = WorkspaceSerializer

    def get_permissions(self) -> list[BasePermission]:
        """Let no token of the sandbox open a workspace."""
        return [IsUser() if self.request.method == "GET" else NotSandboxToken()]

    def get_queryset(self) -> QuerySet[Membership]:
        """Return the caller's memberships."""
        return teams.memberships(caller_of(self.request))

    @extend_schema(
        operation_id="workspaces_list", responses=WorkspaceSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List your workspaces, newest first; with a token, only the token's."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="workspaces_create",
        parameters=[IDEMPOTENCY_KEY],
        request=WorkspaceRequestSerializer,
        responses={201: WorkspaceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Create a team workspace."""
        person = caller_of(request).person
        name = _validated(WorkspaceRequestSerializer, request)["name"]

        def run() -> idempotency.Answer:
            membership = teams.create(person, name)
            return idempotency.Answer(201, dict(WorkspaceSerializer(membership).data))

        return respond(
            idempotency.once(idempotency_key(request, is_personal=True), run)
        )


class WorkspaceView(APIView):
    def get_permissions(self) -> list[BasePermission]:
        """Require a fresh login to close a workspace; no sandbox token renames it."""
        match self.request.method:
            case "GET":
                return [IsUser()]
            case "DELETE":
                return [HasFreshLogin()]
        return [NotSandboxToken()]

    @extend_schema(operation_id="workspaces_read", responses=WorkspaceSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """Return a workspace."""
        membership = teams.membership(caller_of(request), workspace_id)
        return Response(WorkspaceSerializer(membership).data)

    @extend_schema(
        operation_id="workspaces_rename",
        request=WorkspaceRequestSerializer,
        responses=WorkspaceSerializer,
    )
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        """Rename a workspace; for owners and admins."""
        membership = teams.membership(caller_of(request), workspace_id)
        name = _validated(WorkspaceRequestSerializer, request)["name"]
        teams.rename(membership, name)
        return Response(WorkspaceSerializer(membership).data)

    @extend_schema(operation_id="workspaces_close", request=None, responses={204: None})
    def delete(self, request: Request, workspace_id: UUID) -> Response:
        """Close a workspace for all members; for its owner, with a fresh login.

        The owner can reopen it for 7 days; after that it is deleted.
        """
        membership = teams.membership(caller_of(request), workspace_id)
        with transaction.atomic(durable=True):
            teams.close(membership)
        return Response(status=204)


class ReopenView(APIView):
    permission_classes = [HasFreshLogin]

    @extend_schema(
        operation_id="workspaces_reopen", request=None, responses=WorkspaceSerializer
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Reopen a closed workspace; for its owner, with a fresh login."""
        with transaction.atomic(durable=True):
            membership = teams.reopen(caller_of(request).person, workspace_id)
        return Response(WorkspaceSerializer(membership).data)


class MembersView(GenericAPIView[Membership]):
    permission_classes = [NotSandboxToken]
    serializer_class = MemberSerializer

    @extend_schema(operation_id="members_list", responses=MemberSerializer(many=True))
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """List the members, newest first."""
        membership = teams.membership(caller_of(request), workspace_id)
        page = self.paginate_queryset(teams.members(membership.workspace))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class MemberView(APIView):
    permission_classes = [HasFreshLogin]

    @extend_schema(
        operation_id="members_change",
        request=RoleRequestSerializer,
        responses=MemberSerializer,
    )
    def patch(self, request: Request, workspace_id: UUID, user_id: UUID) -> Response:
        """Change a member's role; for the owner, with a fresh login.

        The role `owner` hands the workspace over.
        """
        membership = teams.membership(caller_of(request), workspace_id)
        role = _validated(RoleRequestSerializer, request)["role"]
        with transaction.atomic(durable=True):
            member = teams.change_role(membership, user_id, role)
        return Response(MemberSerializer(member).data)

    @extend_schema(operation_id="members_remove", request=None, responses={204: None})
    def delete(self, request: Request, workspace_id: UUID, user_id: UUID) -> Response:
        """Remove a member, or leave; with a fresh login. Revokes the member's tokens."""
        membership = teams.membership(caller_of(request), workspace_id)
        with transaction.atomic(durable=True):
            teams.remove(membership, user_id)
        return Response(status=204)


class InvitationsView(GenericAPIView[Invitation]):
    serializer_class = InvitationSerializer

    def get_permissions(self) -> list[BasePermission]:
        """Require a fresh login to invite."""
        is_fresh = self.request.method == "POST"
        return [HasFreshLogin() if is_fresh else NotSandboxToken()]

    @extend_schema(
        operation_id="invitations_list", responses=InvitationSerializer(many=True)
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """List the open invitations, newest first."""
        membership = teams.membership(caller_of(request), workspace_id)
        page = self.paginate_queryset(teams.invitations(membership.workspace))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="invitations_create",
        parameters=[IDEMPOTENCY_KEY],
        request=InvitationRequestSerializer,
        responses={201: InvitationSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Invite someone by mail, with a fresh login. An invitation is valid for 7 days."""
        membership = teams.membership(caller_of(request), workspace_id)
        fields = _validated(InvitationRequestSerializer, request)
        teams.require_may_invite(membership, fields["role"])  # for a replay too

        def run() -> idempotency.Answer:
            invitation = teams.invite(membership, **fields)
            return idempotency.Answer(201, dict(InvitationSerializer(invitation).data))

        return respond(idempotency.once(idempotency_key(request), run))


class InvitationView(APIView):
    permission_classes = [HasFreshLogin]

    @extend_schema(
        operation_id="invitations_withdraw", request=None, responses={204: None}
    )
    def delete(
        self, request: Request, workspace_id: UUID, invitation_id: UUID
    ) -> Response:
        """Withdraw an invitation, with a fresh login."""
        membership = teams.membership(caller_of(request), workspace_id)
        teams.withdraw(membership, invitation_id)
        return Response(status=204)


class MyInvitationsView(GenericAPIView[Invitation]):
    permission_classes = [NotSandboxToken]
    serializer_class = InvitationSerializer

    @extend_schema(
        operation_id="my_invitations_list", responses=InvitationSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the invitations to your email address, newest first."""
        person = caller_of(request).person
        page = self.paginate_queryset(teams.invitations_to(person))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class MyInvitationView(APIView):
    permission_classes = [HasFreshLogin]

    @extend_schema(
        operation_id="my_invitations_accept",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=WorkspaceSerializer,
    )
    def post(self, request: Request, invitation_id: UUID) -> Response:
        """Accept an invitation, with a fresh login."""
        person = caller_of(request).person

        def run() -> idempotency.Answer:
            membership = teams.accept(person, invitation_id)
            return idempotency.Answer(200, dict(WorkspaceSerializer(membership).data))

        return respond(
            idempotency.once(idempotency_key(request, is_personal=True), run)
        )

    @extend_schema(
        operation_id="my_invitations_decline", request=None, responses={204: None}
    )
    def delete(self, request: Request, invitation_id: UUID) -> Response:
        """Decline an invitation, with a fresh login."""
        person = caller_of(request).person
        teams.decline(person, invitation_id)
        return Response(status=204)
