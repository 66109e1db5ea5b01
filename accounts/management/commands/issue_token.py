"""`manage.py issue_token`: create an API token on the command line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import tokens
from accounts.audit import log
from accounts.caller import Environment
from accounts.people.signup import sign_up
from accounts.people.workspaces import membership_of
from kit.errors import AppError, Invalid


class Command(BaseCommand):
    """Print a new token of a user's personal workspace, and nothing else."""

    help = "Print a new API token of the user's workspace; sign up a new user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add email, --environment and --name."""
        parser.add_argument("email")
        parser.add_argument(
            "--environment",
            choices=[name.lower() for name in Environment],
            help="bind the token to one environment",
        )
        parser.add_argument("--name", default="Command line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sign up the user if needed, and print the text of a new token.

        Raises:
            CommandError: the address is not valid, or the user has no open workspace.
        """
        try:
            with transaction.atomic():
                user = sign_up(options["email"])
                token, text = tokens.issue(
                    membership_of(user).workspace,
                    user,
                    name=options["name"],
                    environment=(options["environment"] or "").upper(),
                )
                log.record("made a token", token)
        except Invalid as error:
            raise CommandError(
                f"{options['email']!r} is not a valid email address."
            ) from error
        except AppError as error:  # for example: the account is closed
            raise CommandError(f"{options['email']} has no workspace.") from error
        self.stdout.write(text)
