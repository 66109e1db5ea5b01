"""Routes of pages and of operations."""

from django.urls import URLPattern, path

from config import views

urlpatterns: list[URLPattern] = [
    path("", views.landing, name="landing"),
    path("favicon.ico", views.favicon, name="favicon"),
]
