"""`manage.py rotate_keys`: re-encrypt all stored secrets with the first encryption key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kit import rotation


class Command(BaseCommand):
    """Re-encrypt all secrets, which is needed before an old key can be removed.

    Safe to interrupt, to repeat, and to run while the service works.
    """

    help = "Re-encrypt all stored secrets with the first key of ENCRYPTION_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --batch, the number of rows read at once."""
        parser.add_argument(
            "--batch", type=int, default=200, help="number of rows read at once"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Re-encrypt column by column and print the counts.

        Raises:
            CommandError: some values still need an older key.
        """
        left = 0
        for column, count in rotation.rotate(max(1, options["batch"])):
            left += count.left
            line = f"{column}: {count.encrypted} re-encrypted, {count.left} left"
            if count.unreadable:
                line += f", {count.unreadable} can't be decrypted by any key"
            self.stdout.write(f"{line}.")
            self.stdout.flush()
        if left:
            raise CommandError(f"{left} values still need an older key.")
        self.stdout.write("No value needs an older key.")
