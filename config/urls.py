"""All routes. Each app has its own; this file puts them together."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("billing.urls")),
    path("api/v1/", include("providers.urls")),
    path("api/v1/", include("synthesis.urls")),
    path("", include("config.pages")),
    path("admin/", admin.site.urls),
]
