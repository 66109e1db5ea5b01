"""Make somebody an operator. Takes the place of Django's command: nobody has a password."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from accounts.models import User
from accounts.people.signup import sign_up
from kit.errors import Invalid


class Command(BaseCommand):
    """Sign up EMAIL if need be and open the admin to it; safe to repeat."""

    help = "Make the user with this address an operator; a new one is signed up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--email", help="asked for when missing")
        parser.add_argument(
            "--noinput", action="store_true", help="ask nothing; needs --email"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
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
            raise CommandError(f"{email!r} is not a usable email address.") from error
        self.stdout.write(
            f"{user.email} is an operator now. To log in, with an authenticator app at "
            f"hand: manage.py login_link {user.email}"
        )
