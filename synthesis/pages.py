"""Routes of pages and of what they play."""

from django.urls import path

from synthesis import views

urlpatterns = [
    path("samples/<path:voice_id>.mp3", views.sample, name="voice-sample"),
]
