"""All routes. Each app has its own; this file puts them together."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("billing.urls")),
    path("api/v1/", include("providers.urls")),
    path("api/v1/", include("synthesis.urls")),
    path("", include("accounts.pages")),
    path("", include("config.pages")),
    path("admin/", admin.site.urls),
]

handler400 = "config.api.bad_request"
handler403 = "config.api.permission_denied"
handler404 = "config.api.not_found"
handler500 = "config.api.server_error"
