"""App configuration."""

from django.apps import AppConfig


class KitConfig(AppConfig):
    """Mechanics without business."""

    name = "kit"
