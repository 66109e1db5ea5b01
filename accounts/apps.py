"""App configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """See the docstring of the package."""

    name = "accounts"
