"""Bring the catalogue up to date with what the providers offer."""

from typing import Any

from django.core.management.base import BaseCommand

from providers.catalogue import sync


class Command(BaseCommand):
    """Sync the catalogue; part of every deploy, safe to repeat."""

    help = "Write providers and their voices into the catalogue."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        changes = sync.sync()
        for slug, reason in changes.failed.items():
            self.stderr.write(f"{slug}: the voices can't be listed now: {reason}")
        if options["verbosity"]:
            self.stdout.write(f"Voices: {changes}.")
