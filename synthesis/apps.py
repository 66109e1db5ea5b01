"""App configuration."""

from django.apps import AppConfig


class SynthesisConfig(AppConfig):
    """See the docstring of the package."""

    name = "synthesis"
