"""Routes of audio that pages play."""

from django.urls import path

from synthesis.pages import samples

urlpatterns = [
    path("samples/<path:voice_id>.mp3", samples.sample, name="voice-sample"),
]
