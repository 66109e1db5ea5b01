"""API of the default secret, which signs events to a job's own address."""

from dataclasses import replace

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import NotGuest
from kit import idempotency
from webhooks.api.requests import owner_of
from webhooks.models import DefaultSigner
from webhooks.sending import signing
from webhooks.serializers import (
    DefaultSecretSerializer,
)


class DefaultSecretView(APIView):
    """The default secret."""

    permission_classes = [NotGuest]

    @extend_schema(
        operation_id="webhooks_default_secret", responses=DefaultSecretSerializer
    )
    def get(self, request: Request) -> Response:
        """Show the secret that signs events to jobs' own addresses.

        Only for owners who have just logged in.
        """
        caller = owner_of(request)
        return _default_secret(signing.default_signer(caller.workspace.pk))


class RotateDefaultSecretView(APIView):
    """Rotate the default secret."""

    permission_classes = [NotGuest]

    @extend_schema(
        operation_id="webhooks_default_secret_rotate",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=DefaultSecretSerializer,
    )
    def post(self, request: Request) -> Response:
        """Change the default secret; for 24 hours both the new and the old one sign."""
        workspace = owner_of(request).workspace

        def run() -> idempotency.Answer:
            signing.rotate_default(workspace.pk)
            return idempotency.Answer(200, None)

        answer = idempotency.once(idempotency_key(request), run)
        # The stored answer has no secret: a repeated request shows the current one.
        return _default_secret(signing.default_signer(workspace.pk), answer)


def _default_secret(
    signer: DefaultSigner, answer: idempotency.Answer | None = None
) -> Response:
    shown = DefaultSecretSerializer(signer).data
    return respond(replace(answer or idempotency.Answer(200, None), body=shown))
