"""App configuration."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """See the docstring of the package."""

    name = "accounts"
    encrypted = ["accounts.login.second_factor.ENCRYPTED_COLUMNS"]
    swept = ["accounts.people.exports.work"]

    def ready(self) -> None:
        """Register the OpenAPI description of authentication, and the login signals."""
        import_module("accounts.http.schema")
        import_module("accounts.sessions")
