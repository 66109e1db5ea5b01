"""`manage.py release`: what a new version needs before it runs. Safe to repeat."""

from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand

from kit.secrets import require_keys


class Command(BaseCommand):
    """Bring the database, what it begins with and the static files up to this version."""

    help = "Migrate, add what is new and, where it is public, collect static files."
    # Of the settings. What concerns the code was checked when it was made, and takes long.
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
