"""Registers webhooks' encrypted columns, hooks, background work, events and checks."""

from importlib import import_module

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """See the docstring of the package."""

    name = "webhooks"
    encrypted = ["webhooks.sending.signing.ENCRYPTED_COLUMNS"]
    lifecycle = ["webhooks.lifecycle"]
    swept = ["webhooks.sending.delivery.work"]
    webhook_events = ["webhooks.events"]

    def ready(self) -> None:
        """Register the system checks."""
        import_module("webhooks.checks")
