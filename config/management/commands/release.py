"""`manage.py release`: migrate and prepare a new version before it runs."""

from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand

from kit.secrets import require_keys


class Command(BaseCommand):
    """Migrate the database, add seed data and collect static files. Safe to repeat."""

    help = "Migrate, add new seed data and, in a deployment, collect static files."
    # Only checks of settings. Checks of the code are slow, and run before a release.
    requires_system_checks = [Tags.security]

    def handle(self, *args: Any, **options: Any) -> None:
        """Do each in turn; the schedules are written by beat when it starts."""
        require_keys()
        verbosity = options["verbosity"]
        call_command("migrate", interactive=False, verbosity=verbosity - 1)
        call_command("sync_catalogue", verbosity=verbosity)
        call_command("sync_products", verbosity=verbosity)
        if not settings.DEVELOPMENT:
            call_command("collectstatic", interactive=False, verbosity=0)
