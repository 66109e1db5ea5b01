"""App configuration."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """See the docstring of the package."""

    name = "webhooks"
