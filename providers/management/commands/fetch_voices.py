"""Fetch further natural voices."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.catalogue import sync
from providers.unicorn.hibari import fetching, voices
from providers.unicorn.hibari.fetching import FetchFailed


class Command(BaseCommand):
    """Fetch the natural voices that are not on this machine yet, and offer them."""

    help = "Fetch further natural English voices (8 MB each). Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the names of voices."""
        parser.add_argument("voices", nargs="*", help="names of voices; without, all")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fetch each, then sync the built-in voices."""
        if not voices.is_installed():
            raise CommandError("The natural voice is not installed on this system.")
        wanted = set(options["voices"])
        if unknown := wanted - voices.models().keys():
            raise CommandError(f"There is no voice {', '.join(sorted(unknown))}.")
        try:
            for model in fetching.missing():
                if not wanted or model.voice in wanted:
                    fetching.fetch(model)
                    self.stdout.write(f"Fetched {model.voice}.")
        except FetchFailed as error:
            raise CommandError(str(error)) from error
        finally:
            changes = sync.sync(["unicorn"])
        self.stdout.write(f"Voices: {changes}.")
