"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    """See the docstring of the package."""

    name = "providers"
    encrypted = ["providers.keys.using.ENCRYPTED_COLUMNS"]
    lifecycle = ["providers.lifecycle"]
    swept = ["providers.keys.checking"]

    def ready(self) -> None:
        """Register the system checks."""
        import_module("providers.checks")
