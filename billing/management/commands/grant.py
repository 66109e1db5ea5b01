"""Grant credits to a user: `manage.py grant EMAIL CREDITS --reason R`."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from accounts.caller import Environment
from accounts.models import User
from accounts.people.signup import normalize_email
from accounts.people.workspaces import membership_of
from billing import ledger
from billing.ledger import wallets
from billing.models import LONGEST_REASON, LONGEST_TICKET, Lot
from kit.errors import AppError
from kit.ids import new_id


def _credits(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number <= ledger.LARGEST_GRANT:
        raise ArgumentTypeError(
            f"a whole number from 1 to {ledger.LARGEST_GRANT}, not {text!r}"
        )
    return number


def _reason(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_REASON:
        raise ArgumentTypeError(f"1 to {LONGEST_REASON} characters")
    return text


def _ticket(text: str) -> str:
    if len(text) > LONGEST_TICKET:
        raise ArgumentTypeError(f"at most {LONGEST_TICKET} characters")
    return text


class Command(BaseCommand):
    """Grant credits to a user's personal workspace and print the new balance."""

    help = "Grant credits to the user's personal workspace and print its balance."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add email, credits, reason, ticket, environment and bucket."""
        parser.add_argument("email")
        parser.add_argument("credits", type=_credits)
        parser.add_argument(
            "--reason", type=_reason, required=True, help="shown in the statement"
        )
        parser.add_argument(
            "--ticket", type=_ticket, default="", help="the request that this answers"
        )
        parser.add_argument(
            "--environment",
            type=str.upper,
            choices=[environment.value for environment in Environment],
            default=Environment.PRODUCTION.value,
        )
        parser.add_argument(
            "--bucket",
            choices=[Lot.Kind.PROMO.value, Lot.Kind.PACK.value],
            default=Lot.Kind.PACK.value,
            help="promo lapses after a year without activity, pack never",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant the credits in one transaction with the audit record."""
        try:
            user = User.objects.get(email=normalize_email(options["email"]))
            workspace = membership_of(user).workspace
        except (User.DoesNotExist, AppError) as error:
            raise CommandError(
                f"There is no user with the address {options['email']!r}."
            ) from error
        wallet = wallets.wallet_of(workspace, options["environment"])
        source = f"grant:{new_id()}"
        try:
            with transaction.atomic(durable=True):
                ledger.grant(
                    wallet,
                    options["credits"],
                    key=source,
                    kind=options["bucket"],
                    source=source,
                    reason=options["reason"],
                    actor="command line",
                    ticket=options["ticket"],
                )
                log.record(
                    f"Granted {options['credits']}", wallet, reason=options["reason"]
                )
        except AppError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(str(wallets.summary(wallet)["balance"]))
