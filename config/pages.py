"""Routes of pages and of operations."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
