"""Make an API token on the command line."""

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
    """Print a new token of EMAIL's personal workspace, and nothing else."""

    help = "Print a new API token of the user's workspace; a new user is signed up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("email")
        parser.add_argument(
            "--environment",
            choices=[name.lower() for name in Environment],
            help="bind the token to one environment",
        )
        parser.add_argument("--name", default="Command line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
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
                f"{options['email']!r} is not a usable email address."
            ) from error
        except AppError as error:  # the account is closed, say
            raise CommandError(f"{options['email']} has no workspace.") from error
        self.stdout.write(text)
