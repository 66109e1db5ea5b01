"""API to list, create and revoke API tokens."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import IsUser
from accounts.models import ApiToken
from accounts.models.querysets import ApiTokenQuerySet
from accounts.serializers.tokens import (
    NewTokenSerializer,
    TokenRequestSerializer,
    TokenSerializer,
)
from kit import idempotency
from kit.errors import NotFound


class TokensView(GenericAPIView[ApiToken]):
    permission_classes = [IsUser]
    serializer_class = TokenSerializer

    def get_queryset(self) -> ApiTokenQuerySet:
        """Return the tokens that the caller may see."""
        return ApiToken.objects.visible_to(caller_of(self.request))

    @extend_schema(operation_id="tokens_list", responses=TokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the tokens that have not been revoked, newest first.

        A token sees those of its environment. A token that was created by a token sees
        itself and those that it created.
        """
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="tokens_create",
        parameters=[IDEMPOTENCY_KEY],
        request=TokenRequestSerializer,
        responses={201: NewTokenSerializer},
    )
    def post(self, request: Request) -> Response:
        """Create a token. Its text is only in this answer.

        If a token creates another one, its environment, expiry and limit also hold for the
        new one, which is revoked together with it.
        """
        asked = TokenRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        caller = caller_of(request)
        fields = asked.validated_data | {"user": caller.person}
        fields["environment"] = fields["environment"] or ""

        def run() -> idempotency.Answer:
            token, text = tokens.issue(caller.workspace, maker=caller.token, **fields)
            return idempotency.Answer(
                201, TokenSerializer(token).data | {"token": text}
            )

        def without_text(body: Any) -> Any:
            return body | {"token": None}

        return respond(
            idempotency.once(
                idempotency_key(request, is_personal=True), run, redact=without_text
            )
        )


class TokenView(GenericAPIView[ApiToken]):
    permission_classes = [IsUser]
    serializer_class = TokenSerializer

    @extend_schema(operation_id="tokens_revoke", request=None, responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke a token, and those that it created, at once, permanently."""
        mine = ApiToken.objects.visible_to(caller_of(request))
        token = mine.filter(pk=token_id).first()
        if token is None:
            raise NotFound
        tokens.revoke(token)
        return Response(status=204)
