"""Routes of pages."""

from django.urls import path

from providers.pages import keys, voices

urlpatterns = [
    path("voices", voices.gallery, name="voices-page"),
    path("settings/default-voice", voices.choose_voice, name="default-voice-choose"),
    path("settings/provider-keys", keys.keys_page, name="provider-keys-page"),
    path(
        "settings/default-provider",
        voices.choose_default,
        name="default-provider-choose",
    ),
    path(
        "settings/provider-keys/<slug:provider>/<slug:verb>",
        keys.key_action,
        name="provider-key-action",
    ),
]
