"""Routes below /api/v1/."""

from django.urls import path

from billing.api import CreditsView, EntriesView, NoticesView

urlpatterns = [
    path("credits", CreditsView.as_view()),
    path("credits/entries", EntriesView.as_view()),
    path("credits/notices", NoticesView.as_view()),
]
