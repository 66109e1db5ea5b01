"""The root URL configuration: includes the routes of each app."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import (
    SpectacularJSONAPIView,
    SpectacularSwaggerSplitView,
)

from billing.api import hooks
from config.api import health, metrics
from config.api.me import MeView

urlpatterns = [
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/v1/", include("providers.api.urls")),
    path("api/v1/", include("synthesis.api.urls")),
    path("api/v1/", include("webhooks.api.urls")),
    path("api/v1/me", MeView.as_view(), name="me"),
    path("api/v1/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path(
        "api/v1/docs/",
        SpectacularSwaggerSplitView.as_view(
            # This page is static. The schema that it loads is authenticated and limited.
            template_name="api_docs.html",
            authentication_classes=[],
            throttle_classes=[],
        ),
        name="docs",
    ),
    path("hooks/<slug:gateway>", hooks.receive, name="hook"),
    path("health", health.alive, name="health"),
    path("health/ready", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("", include("accounts.pages.urls")),
    path("", include("billing.pages.urls")),
    path("", include("providers.pages.urls")),
    path("", include("synthesis.pages.urls")),
    path("", include("webhooks.pages.urls")),
    path("", include("config.pages.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "config.api.errors.bad_request"
handler403 = "config.api.errors.permission_denied"
handler404 = "config.api.errors.not_found"
handler500 = "config.api.errors.server_error"
