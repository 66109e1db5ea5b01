"""API of promo codes."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, respond
from accounts.http.permissions import IsUser
from billing.credits import promo
from billing.ledger.wallets import summary, wallet_of
from kit import idempotency
from kit.rest.fields import TextField


class PromoRequestSerializer(serializers.Serializer[Any]):
    """A promo code."""

    code = TextField(is_free=True, max_length=60)


class PromoRedeemedSerializer(serializers.Serializer[Any]):
    """The credits that the code granted."""

    code = serializers.CharField()
    credits = serializers.IntegerField()
    balance = serializers.IntegerField(help_text="Credits that can be spent now.")


class RedeemView(APIView):
    """Redeem promo codes."""

    permission_classes = (IsUser,)

    @extend_schema(
        operation_id="promo_codes_redeem",
        parameters=[IDEMPOTENCY_KEY],
        request=PromoRequestSerializer,
        responses={201: PromoRedeemedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Redeem a promo code. Its credits are in the wallet at once."""
        asked = PromoRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        caller = caller_of(request)
        key = idempotency_key(request, is_personal=True)
        promo.count_attempt(caller)

        def run() -> idempotency.Answer:
            redeemed = promo.redeem(caller, asked.validated_data["code"])
            wallet = wallet_of(caller.workspace, caller.environment)
            return idempotency.Answer(
                201,
                {
                    "code": redeemed.code,
                    "credits": redeemed.credits,
                    "balance": summary(wallet)["balance"],
                },
            )

        return respond(idempotency.once(key, run))
