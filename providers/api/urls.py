"""Routes of the API, below /api/v1/."""

from django.urls import path

from providers.api.catalogue import ProvidersView, VoicesView
from providers.api.keys import ProviderKeysView, ProviderKeyView

urlpatterns = [
    path("providers", ProvidersView.as_view(), name="providers"),
    path("voices", VoicesView.as_view(), name="voices"),
    path("provider-keys", ProviderKeysView.as_view(), name="provider-keys"),
    path(
        "provider-keys/<slug:provider>", ProviderKeyView.as_view(), name="provider-key"
    ),
]
