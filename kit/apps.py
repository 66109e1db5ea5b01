"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class KitConfig(AppConfig):
    """Technical building blocks for all apps."""

    name = "kit"
    encrypted = ["kit.mail.outbox.ENCRYPTED_COLUMNS"]
    swept = ["kit.mail.outbox"]

    def ready(self) -> None:
        """Register the system checks."""
        import_module("kit.checks")
