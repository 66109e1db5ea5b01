"""Reconcile now with every gateway that lists its payments."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from billing.payments import reconciliation


class Command(BaseCommand):
    """See the module."""

    help = "Compare what gateways say was paid with what was granted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--days`."""
        parser.add_argument("--days", type=int, default=3, help="at most 30")

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue the comparisons; workers do them."""
        with transaction.atomic():
            count = reconciliation.begin_all(timedelta(days=options["days"]))
        self.stdout.write(f"{count} comparisons were started; see Reconciliations.")
