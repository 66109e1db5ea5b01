"""Set the plan of a user: `manage.py set_plan EMAIL PLAN`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from accounts.caller import Environment
from accounts.models import User
from accounts.people.signup import normalize_email
from accounts.people.workspaces import membership_of
from billing.models import Plan
from billing.plans import subscriptions
from kit.errors import AppError

_NONE = "none"


class Command(BaseCommand):
    """Set or end the plan of a user's personal workspace, and print the result."""

    help = "Set the plan of the user's personal workspace, or end it with `none`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add email, plan, reason and environment."""
        parser.add_argument("email")
        parser.add_argument("plan", help="key of a plan, or none")
        parser.add_argument("--reason", default="", help="for the audit log")
        parser.add_argument(
            "--environment",
            type=str.upper,
            choices=[environment.value for environment in Environment],
            default=Environment.PRODUCTION.value,
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Set the plan in one transaction with the audit record."""
        try:
            user = User.objects.get(email=normalize_email(options["email"]))
            workspace = membership_of(user).workspace
        except (User.DoesNotExist, AppError) as error:
            raise CommandError(
                f"There is no user with the address {options['email']!r}."
            ) from error
        try:
            with transaction.atomic(durable=True):
                subscription = subscriptions.set_plan(
                    workspace,
                    _plan(options["plan"]),
                    environment=options["environment"],
                )
                log.record(
                    f"set plan {options['plan']}", workspace, reason=options["reason"]
                )
        except AppError as error:
            raise CommandError(str(error)) from error
        if subscription is None or not subscription.is_in_force:
            self.stdout.write("no plan")
        else:
            until = subscription.period_end.isoformat(timespec="seconds")
            self.stdout.write(f"{subscription.plan.key} until {until}")


def _plan(key: str) -> Plan | None:
    if key == _NONE:
        return None
    if plan := Plan.objects.filter(key=key).first():
        return plan
    known = ", ".join(Plan.objects.values_list("key", flat=True))
    raise CommandError(f"There is no plan {key!r}. Plans: {known or 'none'}.")
