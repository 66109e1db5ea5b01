"""Sync the catalogue with the providers' lists of voices."""

from typing import Any

from django.core.management.base import BaseCommand

from providers.catalogue import sync


class Command(BaseCommand):
    """Sync the catalogue. Each deployment runs it; safe to repeat."""

    help = "Write providers and their voices into the catalogue. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sync, and print failures and counts."""
        changes = sync.sync()
        for slug, reason in changes.failed.items():
            self.stderr.write(f"{slug}: can't list the voices now: {reason}")
        if options["verbosity"]:
            self.stdout.write(f"Voices: {changes}.")
