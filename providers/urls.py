"""Routes below /api/v1/."""

from django.urls import path

from providers.api import ProvidersView, VoicesView

urlpatterns = [
    path("providers", ProvidersView.as_view(), name="providers"),
    path("voices", VoicesView.as_view(), name="voices"),
]
