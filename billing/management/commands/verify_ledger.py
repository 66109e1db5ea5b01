"""Check the ledger: `manage.py verify_ledger`."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing.ledger import invariants


class Command(BaseCommand):
    """Print each invariant with its count of violations; exit with 1 if there is any."""

    help = "Check every invariant of the ledger; exit with 1 if one is violated."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the result of each invariant."""
        results = invariants.verify()
        for result in results:
            invariant = result.invariant
            self.stdout.write(
                f"{invariant.name:<4}{result.count:>6}  {invariant.title}"
            )
        if any(result.count for result in results):
            sys.exit(1)
