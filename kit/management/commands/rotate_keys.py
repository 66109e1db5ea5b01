"""Encrypt all stored secrets anew with the first of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kit import rotation


class Command(BaseCommand):
    """Needed before an old key can go; safe to kill, to repeat and to run beside work."""

    help = "Encrypt all stored secrets anew with the first key of ENCRYPTION_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the size of a batch."""
        parser.add_argument("--batch", type=int, default=200, help="rows read at once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        left = 0
        for column, count in rotation.rotate(max(1, options["batch"])):
            left += count.left
            line = f"{column}: {count.encrypted} encrypted anew, {count.left} left"
            if count.unreadable:
                line += f", {count.unreadable} that no key opens"
            self.stdout.write(f"{line}.")
            self.stdout.flush()
        if left:
            raise CommandError(f"{left} values still need an older key.")
        self.stdout.write("No value needs an older key.")
