"""App configuration of the project as a whole."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ComposingConfig(AppConfig):
    """Settings, routes, processes and the embedded services."""

    name = "config"

    def ready(self) -> None:
        """Register the system checks, and set our Celery application as the current one."""
        import_module("config.checks")
        import_module("config.celery")


class OperatorAdminConfig(AdminConfig):
    """Django's admin with `OperatorSite` as its site."""

    default_site = "config.admin.site.OperatorSite"
