"""Routes of the landing page and the favicon."""

from django.urls import URLPattern, path

from config.pages import landing

urlpatterns: list[URLPattern] = [
    path("", landing.landing, name="landing"),
    path("favicon.ico", landing.favicon, name="favicon"),
]
