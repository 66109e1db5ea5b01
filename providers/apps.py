"""App configuration."""

from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    """See the docstring of the package."""

    name = "providers"
    encrypted = ["providers.keys.using.ENCRYPTED_COLUMNS"]
    lifecycle = ["providers.lifecycle"]
    swept = ["providers.keys.checking"]
