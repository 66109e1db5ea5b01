"""`manage.py login_link`: log in without a mail, for example as the first operator."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from accounts.audit import log
from accounts.login import links
from accounts.models import User


class Command(BaseCommand):
    """Print a link that logs a user in once, within 15 minutes."""

    help = "Print a link that logs an existing user in once, within 15 minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add email."""
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link.

        Raises:
            CommandError: there is no user with this email address.
        """
        email = options["email"].strip().lower()
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"There is no user with the email address {email}.")
        log.record("made a login link", user)
        path = reverse("login_link", args=[links.make(user)])
        self.stdout.write(settings.BASE_URL + path)
