"""Set up, or remove, an operator's second factor on the command line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from accounts.login import second_factor
from accounts.models import User


class Command(BaseCommand):
    """Print the seed and recovery codes of a new second factor, this once."""

    help = "Give an operator a new second factor (TOTP), or remove theirs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("email")
        parser.add_argument(
            "--remove", action="store_true", help="a new one can be set up in the pages"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        email = options["email"].strip().lower()
        user = User.objects.filter(email=email, is_staff=True).first()
        if user is None:
            raise CommandError(f"There is no operator {email}.")
        with transaction.atomic():
            if options["remove"]:
                second_factor.remove(user)
                log.record("removed the second factor", user)
                self.stdout.write(f"{email} has no second factor any more.")
                return
            device = second_factor.begin(user)
            codes = second_factor.confirm_unseen(user)
            log.record("set up a second factor", user)
        self.stdout.write(f"Seed for the app: {second_factor.secret_text(device)}")
        self.stdout.write(second_factor.uri(device))
        self.stdout.write("Recovery codes, each good once:")
        for code in codes:
            self.stdout.write(f"  {code}")
