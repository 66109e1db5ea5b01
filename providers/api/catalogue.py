"""API of the catalogue: plain arrays, open to guests."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.permissions import AllowGuests
from providers.keys import using
from providers.models import Provider, Voice
from providers.serializers import (
    ProviderSerializer,
    VoiceFilterSerializer,
    VoiceSerializer,
)

_FRESH_SECONDS = 60


@method_decorator(conditional_page, name="dispatch")
class _CatalogueView(APIView):
    """Base of cacheable lists, with an ETag and a `max-age`."""

    permission_classes = [AllowGuests]
    fresh_seconds = _FRESH_SECONDS

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        if response.status_code == 200:
            patch_cache_control(response, private=True, max_age=self.fresh_seconds)
        return response


class ProvidersView(_CatalogueView):
    fresh_seconds = 0  # a key that was just saved must show at once

    @extend_schema(
        operation_id="providers_list", responses=ProviderSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the available providers, with their prices and capabilities."""
        caller = caller_of(request)
        context = {
            "own_keys": {}
            if caller.is_guest
            else using.keys_by_provider(caller.workspace)
        }
        providers = Provider.objects.on_offer()
        return Response(ProviderSerializer(providers, many=True, context=context).data)


class VoicesView(_CatalogueView):
    @extend_schema(
        operation_id="voices_list",
        parameters=[VoiceFilterSerializer],
        responses=VoiceSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """List the available voices; each parameter narrows the list."""
        wanted = VoiceFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        voices = (
            Voice.objects.on_offer().with_samples().matching(**wanted.validated_data)
        )
        context = {"address": request.build_absolute_uri("/").rstrip("/")}
        return Response(VoiceSerializer(voices, many=True, context=context).data)
