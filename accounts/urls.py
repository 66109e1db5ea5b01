"""Routes below /api/v1/."""

from django.urls import path

from accounts import api

urlpatterns = [
    path("tokens", api.TokensView.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>", api.TokenView.as_view(), name="token"),
]
