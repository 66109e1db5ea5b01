"""The composing app: what concerns more than one of the others."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ComposingConfig(AppConfig):
    """Settings, routes, schedules and the embedded services."""

    name = "config"

    def ready(self) -> None:
        """Register the system checks and make our Celery application the current one."""
        import_module("config.checks")
        import_module("config.celery")


class OperatorAdminConfig(AdminConfig):
    """Django's admin with our own site: the whole back office."""

    default_site = "config.admin.site.OperatorSite"
