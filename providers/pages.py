"""Routes of pages."""

from django.urls import path

from providers import views

urlpatterns = [
    path("voices", views.gallery, name="voices-page"),
    path("settings/provider-keys", views.keys_page, name="provider-keys-page"),
    path(
        "settings/default-provider",
        views.choose_default,
        name="default-provider-choose",
    ),
    path(
        "settings/provider-keys/<slug:provider>/<slug:verb>",
        views.act_on_key,
        name="provider-key-act",
    ),
]
