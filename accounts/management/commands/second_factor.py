"""`manage.py second_factor`: set up or remove an operator's second factor."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from accounts.login import second_factor
from accounts.models import User


class Command(BaseCommand):
    """Print the seed and recovery codes of a new second factor once, or remove it."""

    help = "Set up a new second factor (TOTP) of an operator, or remove it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add email and --remove."""
        parser.add_argument("email")
        parser.add_argument(
            "--remove",
            action="store_true",
            help="remove it; the operator sets up a new one after `login_link`",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up or remove the second factor.

        Raises:
            CommandError: there is no operator with this email address.
        """
        email = options["email"].strip().lower()
        user = User.objects.filter(email=email, is_staff=True).first()
        if user is None:
            raise CommandError(f"There is no operator with the email address {email}.")
        with transaction.atomic():
            if options["remove"]:
                second_factor.remove(user)
                log.record("removed the second factor", user)
                self.stdout.write(f"{email} has no second factor any more.")
                return
            device = second_factor.begin(user)
            codes = second_factor.confirm_without_code(user)
            log.record("set up a second factor", user)
        self.stdout.write(f"Seed for the app: {second_factor.secret_text(device)}")
        self.stdout.write(second_factor.uri(device))
        self.stdout.write("Recovery codes, each valid once:")
        for code in codes:
            self.stdout.write(f"  {code}")
