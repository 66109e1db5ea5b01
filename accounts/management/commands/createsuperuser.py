"""`manage.py createsuperuser`: make a user an operator.

It replaces Django's command, because users have no password here.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from accounts.models import User
from accounts.people.signup import sign_up
from kit.errors import Invalid


class Command(BaseCommand):
    """Make the user with an email address an operator and superuser; safe to repeat."""

    help = "Make the user with this email address an operator; sign up a new user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --email and --noinput."""
        parser.add_argument("--email", help="prompted for if missing")
        parser.add_argument(
            "--noinput", action="store_true", help="don't prompt; needs --email"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sign up the user if needed, make them an operator and print how to log in.

        Raises:
            CommandError: the email address is missing or not valid.
        """
        email = options["email"]
        if not email:
            if options["noinput"]:
                raise CommandError("--noinput needs --email.")
            email = input("Email address: ")
        try:
            with transaction.atomic():
                user = sign_up(email)
                User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
                log.record("made an operator", user)
        except Invalid as error:
            raise CommandError(f"{email!r} is not a valid email address.") from error
        self.stdout.write(
            f"{user.email} is an operator now. To log in, with an authenticator app at "
            f"hand: manage.py login_link {user.email}"
        )
