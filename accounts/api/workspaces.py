"""Workspaces, members and invitations over HTTP.

`accounts.people.teams` decides who may do what. Changing members takes a fresh login, so no
token can.
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
from accounts.http.permissions import IsFreshPerson, IsPerson
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


def _sent(serializer: Any, request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    fields: dict[str, Any] = asked.validated_data
    return fields


class WorkspacesView(GenericAPIView[Membership]):
    """The workspaces that the caller is in."""

    permission_classes = [IsPerson]
    serializer_class = WorkspaceSerializer

    def get_queryset(self) -> QuerySet[Membership]:
        """Return the caller's memberships."""
        return teams.memberships(caller_of(self.request))

    @extend_schema(
        operation_id="workspaces_list", responses=WorkspaceSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List one's workspaces, newest first; a token knows its own alone."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="workspaces_create",
        parameters=[IDEMPOTENCY_KEY],
        request=WorkspaceRequestSerializer,
        responses={201: WorkspaceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Open a workspace for a team."""
        person = caller_of(request).person
        name = _sent(WorkspaceRequestSerializer, request)["name"]

        def run() -> idempotency.Answer:
            membership = teams.create(person, name)
            return idempotency.Answer(201, dict(WorkspaceSerializer(membership).data))

        return respond(
            idempotency.once(idempotency_key(request, is_personal=True), run)
        )


class WorkspaceView(APIView):
    """One workspace."""

    def get_permissions(self) -> list[BasePermission]:
        """Have it closed with a fresh login alone."""
        is_fresh = self.request.method == "DELETE"
        return [IsFreshPerson() if is_fresh else IsPerson()]

    @extend_schema(operation_id="workspaces_read", responses=WorkspaceSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """Tell of a workspace."""
        membership = teams.membership(caller_of(request), workspace_id)
        return Response(WorkspaceSerializer(membership).data)

    @extend_schema(
        operation_id="workspaces_rename",
        request=WorkspaceRequestSerializer,
        responses=WorkspaceSerializer,
    )
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        """Rename a workspace: owners and admins."""
        membership = teams.membership(caller_of(request), workspace_id)
        teams.rename(membership, _sent(WorkspaceRequestSerializer, request)["name"])
        return Response(WorkspaceSerializer(membership).data)

    @extend_schema(operation_id="workspaces_close", request=None, responses={204: None})
    def delete(self, request: Request, workspace_id: UUID) -> Response:
        """Close a workspace for all who are in it: the owner, with a fresh login.

        For 7 days its owner can open it again; after that it is removed.
        """
        membership = teams.membership(caller_of(request), workspace_id)
        with transaction.atomic(durable=True):
            teams.close(membership)
        return Response(status=204)


class ReopenView(APIView):
    """A workspace that was closed."""

    permission_classes = [IsFreshPerson]

    @extend_schema(
        operation_id="workspaces_reopen", request=None, responses=WorkspaceSerializer
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Open a closed workspace again: its owner, with a fresh login."""
        with transaction.atomic(durable=True):
            membership = teams.reopen(caller_of(request).person, workspace_id)
        return Response(WorkspaceSerializer(membership).data)


class MembersView(GenericAPIView[Membership]):
    """Who is in a workspace."""

    permission_classes = [IsPerson]
    serializer_class = MemberSerializer

    @extend_schema(operation_id="members_list", responses=MemberSerializer(many=True))
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """List the members, newest first."""
        membership = teams.membership(caller_of(request), workspace_id)
        page = self.paginate_queryset(teams.members(membership.workspace))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class MemberView(APIView):
    """One member."""

    permission_classes = [IsFreshPerson]

    @extend_schema(
        operation_id="members_change",
        request=RoleRequestSerializer,
        responses=MemberSerializer,
    )
    def patch(self, request: Request, workspace_id: UUID, user_id: UUID) -> Response:
        """Change a role: the owner, with a fresh login. `owner` hands over."""
        membership = teams.membership(caller_of(request), workspace_id)
        role = _sent(RoleRequestSerializer, request)["role"]
        with transaction.atomic(durable=True):
            member = teams.change_role(membership, user_id, role)
        return Response(MemberSerializer(member).data)

    @extend_schema(operation_id="members_remove", request=None, responses={204: None})
    def delete(self, request: Request, workspace_id: UUID, user_id: UUID) -> Response:
        """Take a member out, or leave, with a fresh login. Their tokens end."""
        membership = teams.membership(caller_of(request), workspace_id)
        with transaction.atomic(durable=True):
            teams.remove(membership, user_id)
        return Response(status=204)


class InvitationsView(GenericAPIView[Invitation]):
    """Who is invited to a workspace."""

    serializer_class = InvitationSerializer

    def get_permissions(self) -> list[BasePermission]:
        """Let people invite with a fresh login alone."""
        is_fresh = self.request.method == "POST"
        return [IsFreshPerson() if is_fresh else IsPerson()]

    @extend_schema(
        operation_id="invitations_list", responses=InvitationSerializer(many=True)
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        """List the invitations that wait, newest first."""
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
        """Invite somebody by mail, with a fresh login; good for 7 days."""
        membership = teams.membership(caller_of(request), workspace_id)
        fields = _sent(InvitationRequestSerializer, request)

        def run() -> idempotency.Answer:
            invitation = teams.invite(membership, **fields)
            return idempotency.Answer(201, dict(InvitationSerializer(invitation).data))

        return respond(idempotency.once(idempotency_key(request), run))


class InvitationView(APIView):
    """One invitation, for those who sent it."""

    permission_classes = [IsFreshPerson]

    @extend_schema(
        operation_id="invitations_withdraw", request=None, responses={204: None}
    )
    def delete(
        self, request: Request, workspace_id: UUID, invitation_id: UUID
    ) -> Response:
        """Take an invitation back, with a fresh login."""
        membership = teams.membership(caller_of(request), workspace_id)
        teams.withdraw(membership, invitation_id)
        return Response(status=204)


class MyInvitationsView(GenericAPIView[Invitation]):
    """Where the caller is invited to."""

    permission_classes = [IsPerson]
    serializer_class = InvitationSerializer

    @extend_schema(
        operation_id="my_invitations_list", responses=InvitationSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the invitations to one's own address, newest first."""
        person = caller_of(request).person
        page = self.paginate_queryset(teams.invitations_to(person))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class MyInvitationView(APIView):
    """One invitation, for whoever got it."""

    permission_classes = [IsFreshPerson]

    @extend_schema(
        operation_id="my_invitations_accept",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=WorkspaceSerializer,
    )
    def post(self, request: Request, invitation_id: UUID) -> Response:
        """Say yes, with a fresh login."""
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
        """Say no, with a fresh login."""
        person = caller_of(request).person
        teams.decline(person, invitation_id)
        return Response(status=204)
